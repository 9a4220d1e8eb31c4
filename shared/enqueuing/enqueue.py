"""Enqueue one job in the transaction of an application, whichever library holds its connection."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from gristmill.shared.enqueuing import on_django, on_psycopg, on_sqlalchemy
from gristmill.shared.enqueuing.prepare_args import args_to_send, check_options
from gristmill.shared.enqueuing.queries_call import BY_HAND, Call
from gristmill.shared.enqueuing.refusals import explain
from gristmill.shared.errors import EnqueueError
from gristmill.shared.jobs.options import JobOptions

if TYPE_CHECKING:
    from gristmill.shared.task import Task

# Each returns the function that executes a call, None for what is none of its library's.
_LIBRARIES: Final = (on_sqlalchemy.reach, on_django.reach, on_psycopg.reach)


def enqueue(session: object, task: Task | str, options: JobOptions | None = None, /, **args: Any) -> UUID:
    """Enqueue one job in the caller's transaction: it exists if and only if that transaction commits.

    It needs the database alone: no broker, no Redis, no mail server. Only for a task with secret arguments the
    environment must hold GRISTMILL_SECRET_KEY. An error that the database raises ends the transaction.

    Args:
        session: a Session, a scoped_session or a Connection of SQLAlchemy (in an AsyncSession, through
            `await session.run_sync(lambda session: enqueue(session, …))`); Django's `connection`, inside of
            `transaction.atomic()`; a connection or cursor of psycopg2 or psycopg 3; or `ctx.session` in a handler.
        task: a task, whose schema checks the arguments, or its name. The name of a task that this process does not
            declare is looked up in the database, which checks the JSON types of the arguments.
        options: start, priority, expiry, unique key, tags and so on.
        args: the arguments of the task. UUIDs, times, enumerations and decimal numbers are encoded as JSON strings.

    Returns:
        The id of the job, or of the live job with the same unique key.

    Raises:
        UnknownTaskError: no task has this name.
        InternalTaskError: only other tasks enqueue it.
        InvalidArgsError: the arguments do not fit; `details` has each wrong one by its path.
        InvalidError: an option is wrong.
        SettingsError: the task has a secret argument, and GRISTMILL_SECRET_KEY is not set.
        EnqueueError: there is no transaction, or the database lacks the platform's schema, or a grant is missing.
        UnavailableError: another transaction holds the unique key; repeat this one.
    """
    direct = on_sqlalchemy.platform_session(session)
    if direct is not None:
        from gristmill.shared.jobs.enqueue import enqueue as enqueue_directly

        return enqueue_directly(direct, task, options, **args)
    execute = _reach(session)
    chosen = options or JobOptions()
    check_options(chosen)
    name, plain = args_to_send(task, args)
    try:
        return UUID(str(execute(Call.make(name, plain, chosen))))
    except Exception as error:
        refusal = explain(error, name)
        if refusal is None:
            raise
        raise refusal from error


def _reach(session: object) -> Callable[[Call], Any]:
    for reach in _LIBRARIES:
        execute = reach(session)
        if execute is not None:
            return execute
    msg = (
        f"enqueue cannot use a {type(session).__module__}.{type(session).__qualname__}: pass a Session or Connection "
        "of SQLAlchemy, django.db.connection, or a connection of psycopg2 or psycopg; with any other library execute "
        f"the function of the database: {BY_HAND}"
    )
    raise EnqueueError(msg)
