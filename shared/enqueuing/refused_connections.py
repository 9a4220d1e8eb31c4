"""The errors of a connection on which a job cannot be enqueued with the rows that it belongs to."""

from __future__ import annotations

from gristmill.shared.errors import EnqueueError


def refuse_autocommit(cure: str) -> EnqueueError:
    """Return the error of a connection that commits each statement by itself."""
    msg = (
        "enqueue needs a transaction, since the job is to exist if and only if the rows that it is about do; this "
        f"connection commits each statement by itself. {cure}"
    )
    return EnqueueError(msg)


def refuse_other_database(name: str) -> EnqueueError:
    """Return the error of a database in which the platform has no tables."""
    msg = (
        f"enqueue writes into the Postgres database of Gristmill, and this is a connection to {name}. From another "
        "database, post jobs by the client, which keeps them in a spool while the platform is away: gristmill.Client"
    )
    return EnqueueError(msg)


def refuse_asynchronous(kind: str, cure: str) -> EnqueueError:
    """Return the error of a connection that is to be awaited."""
    return EnqueueError(f"enqueue does not await, and this is an {kind}. {cure}")
