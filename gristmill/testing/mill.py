"""The platform in the process of a test: tasks are run by the real executor on a real database, without a broker."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson

from gristmill.shared.database.connect import Database
from gristmill.shared.settings import DECLARED, Secret, Settings
from gristmill.shared.task import Task, registry
from gristmill.testing.attempt import attempt
from gristmill.testing.engine import Engine
from gristmill.testing.outcomes import Ended, EnqueuedJob
from gristmill.testing.queries import list_live, list_outcomes, make_older

if TYPE_CHECKING:
    from flask.testing import FlaskClient
    from sqlalchemy.orm import Session

    from gristmill.testing.mails import CaughtMail

NOWHERE: Final = "redis://127.0.0.1:1/0"  # nothing in a test needs a broker or Redis
SECRET: Final = "only-for-tests-" + "k" * 32
MOST_JOBS: Final = 1_000  # executed by one `drain`


def settings_for(url: str, smtp_url: str = "smtp://127.0.0.1:1") -> Settings:
    """Return settings that lead to one database and one mail server, and nowhere else."""
    defaults = {each.attribute: tuple(each.default) if each.parser == "list" else each.default for each in DECLARED}
    secrets = {
        "database_url": url,
        "broker_url": NOWHERE,
        "redis_url": NOWHERE,
        "smtp_url": smtp_url,
        "secret_key": SECRET,
    }
    values: dict[str, Any] = defaults | {name: Secret(value) for name, value in secrets.items()}
    return Settings(**values | {"demo_tasks": True})


class Mill:
    """The platform on the database of one test.

    Attributes:
        url: of the database, for an application that connects to it by itself.
        database: the platform's connections to it.
    """

    def __init__(self, url: str, *, mails: CaughtMail, time_columns: Sequence[str] = ()) -> None:
        self.url = url
        self._mails = mails
        self._time_columns = tuple(time_columns)
        self.database = Database(settings_for(url, mails.url), application_name="gristmill test", pool_size=2)
        self._engine = Engine(self.database)

    def session(self) -> AbstractContextManager[Session]:
        """Open a transaction whose end is the commit; an exception rolls it back. `enqueue` works in it."""
        return self.database.transaction()

    def run(self, task: Task | str, /, **args: Any) -> Any:
        """Run one attempt of a task without a job, and commit what it did.

        Returns:
            What the handler returned, as JSON knows it; a `Discard`, `Snooze` or `Cancel` as it is, and nothing of
            what the handler did is kept then.

        Raises:
            UnknownTaskError: no task has this name.
            InvalidArgsError: the arguments do not fit the schema.
            Exception: whatever the handler raises; nothing of what it did is kept.
        """
        chosen = registry.get(task) if isinstance(task, str) else task
        return attempt(self.database, chosen, orjson.loads(orjson.dumps(args)))

    def enqueued(self, task: Task | str | None = None, /, **args: Any) -> list[EnqueuedJob]:
        """Return the jobs that have not ended, those due first.

        Args:
            task: only jobs of this task.
            args: only jobs whose arguments contain these.
        """
        name = task.name if isinstance(task, Task) else task
        with self.session() as session:
            return list_live(session, task=name, args=orjson.dumps(args).decode())

    def drain(self, *, limit: int = MOST_JOBS) -> list[Ended]:
        """Fire the schedules that are due and execute the jobs that are due, and those that these enqueue.

        Returns:
            The jobs after their attempts, in the order in which they were begun. One that waits for its retry is
            `retrying`: move time by `advance`, and drain again.

        Raises:
            MillError: more than `limit` attempts: the jobs enqueue each other without an end; names their tasks.
        """
        ids = self._engine.drain(limit=limit)
        with self.session() as session:
            return list_outcomes(session, ids)

    def advance(self, by: timedelta | None = None, /, **units: float) -> None:
        """Move time, without executing anything: everything that lives gets older.

        Args:
            by: how far.
            units: as `timedelta` takes them: `hours=3`.
        """
        step = by if by is not None else timedelta(**units)
        with self.session() as session:
            make_older(session, step, also=self._time_columns)
        self._engine.ahead += step

    def run_until(self, by: timedelta | None = None, /, *, limit: int = MOST_JOBS, **units: float) -> list[Ended]:
        """Move time from one event to the next, and execute what is due at each: jobs, retries, schedules.

        Args:
            by: how far.
            limit: attempts at the most.
            units: as `timedelta` takes them: `hours=24`.

        Returns:
            The jobs after their last attempts, in the order in which they were begun.

        Raises:
            MillError: more than `limit` attempts.
        """
        remaining = by if by is not None else timedelta(**units)
        ids = dict.fromkeys(self._engine.drain(limit=limit))
        while remaining > timedelta():
            step = min(remaining, self._engine.until_next(remaining))
            self.advance(step)
            remaining -= step
            ids |= dict.fromkeys(self._engine.drain(limit=limit - len(ids)))
        with self.session() as session:
            return list_outcomes(session, list(ids))

    def job(self, job_id: UUID) -> Ended:
        """Return the state of a job.

        Raises:
            KeyError: there is none of this id.
        """
        with self.session() as session:
            return list_outcomes(session, [job_id])[0]

    def mails(self) -> list[dict[str, str | None]]:
        """Return the mails that were sent since the last call: each has to, from, subject, text and html."""
        return self._mails.take()

    def http(self) -> FlaskClient:
        """Return a client of the HTTP ingress, which signs its requests with the key of an administrator.

        Raises:
            MillError: the extra `web` is not installed.
        """
        from gristmill.testing.ingress import make_client

        return make_client(self.database)

    def close(self) -> None:
        """Close the connections."""
        self.database.dispose()
