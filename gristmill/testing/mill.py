"""The fixture `mill`: run tasks, see what they enqueue, and let time pass, in a database of the test's own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, ExitStack
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from gristmill.shared.jobs.encode_args import encode_args
from gristmill.shared.jobs.enqueue import JobOptions, accept, prepare
from gristmill.shared.jobs.find import get_job
from gristmill.shared.jobs.insert import Accepted
from gristmill.shared.operating.cancel import cancel_job
from gristmill.shared.task import Task
from gristmill.testing import queries_jobs as queries
from gristmill.testing.drain import LIMIT, Drain, Until
from gristmill.testing.http_client import client_of, ingress
from gristmill.testing.mill_error import MillError
from gristmill.testing.records import Attempt, DeadLetter, Job, Jobs, job_of, letter_of, matches
from gristmill.testing.single import make_attempt
from gristmill.testing.task_lookup import encode_known, find_task

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient
    from sqlalchemy import Engine
    from sqlalchemy.orm import Session

    from gristmill.testing.clock import Clock
    from gristmill.testing.platform import Platform

_ACTOR: Final = "test"


class Mill:
    """The platform in one test: its own database, mails and clock. Nothing runs unless the test asks for it.

    Jobs are claimed, executed, retried and settled by the code of the workers, and in the same statements. The broker
    is left out, and with it the processes: the test is the worker.
    """

    def __init__(self, platform: Platform, clock: Clock, stack: ExitStack, failed: Callable[[Attempt], object]) -> None:
        self._platform, self._clock, self._stack, self._failed = platform, clock, stack, failed
        self._database = platform.database
        self._own: set[UUID] = set()  # jobs that `run` has made
        self._app: Flask | None = None

    @property
    def url(self) -> str:
        """The URL of the database, the same in all tests of a session; GRISTMILL_DATABASE_URL says it, too."""
        return self._platform.url

    @property
    def engine(self) -> Engine:
        """An engine on the database."""
        return self._database.engine

    def session(self) -> AbstractContextManager[Session]:
        """Open a session on the database, which is committed at the end, and in which `enqueue` works."""
        return self._database.transaction()

    def enqueue(self, task: Task | str, options: JobOptions | None = None, /, **args: Any) -> UUID:
        """Enqueue a job in a transaction of its own, and return its id.

        Raises:
            UnknownTaskError: no task has this name.
            InvalidArgsError: the arguments do not fit its schema.
            MillError: a live job has the unique key of `options`.
        """
        found = find_task(task, self._platform.root)
        plain = encode_args(found.name, args)
        new = prepare(found, plain, options or JobOptions(), secret_key=self._platform.settings.secret_key)
        with self.session() as session:
            (written,) = accept(session, [new])
        if not isinstance(written, Accepted):
            raise written
        if written.duplicate:
            msg = f"No new job of {found.name} was made: {written.id} is live and has the unique key {new.unique_key!r}"
            raise MillError(msg)
        return written.id

    def run(self, task: Task | str, options: JobOptions | None = None, /, **args: Any) -> Any:
        """Enqueue a job, make one attempt of it, and return what its handler returns.

        What it does is committed as by a worker. An attempt that fails is settled as by a worker, too: the job waits
        for its next attempt, or is dead.

        Returns:
            The result as JSON knows it, or the `Discard`, `Snooze` or `Cancel` that the handler returned.

        Raises:
            UnknownTaskError: no task has this name.
            InvalidArgsError: the arguments do not fit its schema.
            Exception: whatever the handler raised, or refused its result or rows when they were written.
        """
        job_id = self.enqueue(task, options, **args)
        self._own.add(job_id)
        return self.attempt(job_id)

    def attempt(self, job_id: UUID, *, cancelled: bool = False) -> Any:
        """Make the next attempt of a job, and return or raise as `run` does.

        Args:
            job_id: the job.
            cancelled: let somebody cancel the job between the beginning of the attempt and its handler.

        Raises:
            JobNotFoundError: there is no such job.
            MillError: it is not due, its queue is paused, or it has ended; says what to do.
        """
        return make_attempt(self._platform, job_id, when_begun=(lambda: self.cancel(job_id)) if cancelled else None)

    def drain(self, *, until: Until | None = None, limit: int = LIMIT) -> list[Attempt]:
        """Fire the schedules and make the attempts that are due, in order, those of new jobs too, until none is due.

        An attempt that fails does not end the drain. Its traceback is shown when the test fails.

        Args:
            until: ends the drain as soon as it returns something true; it is called before each attempt.
            limit: the most attempts.

        Returns:
            The attempts that were made.

        Raises:
            EndlessError: more attempts are due than `limit` allows; names the tasks.
            MillError: nothing is due any more, and `until` has not come true.
        """
        drain = Drain(self._platform, limit=limit, until=until, failed=self._failed)
        if not drain.run() and until is not None:
            self._refuse_vain(drain, "Nothing is due any more")
        return drain.attempts

    def run_until(
        self,
        *,
        days: float = 0,
        hours: float = 0,
        minutes: float = 0,
        seconds: float = 0,
        until: Until | None = None,
        limit: int = LIMIT,
    ) -> list[Attempt]:
        """Let time pass from event to event, and drain at each: retries, schedules and leases come due in their order.

        Args:
            days: time that passes, together with the following ones.
            hours: see `days`.
            minutes: see `days`.
            seconds: see `days`.
            until: ends it as soon as this returns something true.
            limit: the most attempts.

        Raises:
            EndlessError: more attempts are due than `limit` allows; names the tasks.
            MillError: the time is over, and `until` has not come true.
        """
        span = timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds)
        drain = Drain(self._platform, limit=limit, until=until, failed=self._failed)
        if not drain.run_while_time_passes(self._clock, span) and until is not None:
            self._refuse_vain(drain, f"{span} are over")
        return drain.attempts

    def advance(self, *, days: float = 0, hours: float = 0, minutes: float = 0, seconds: float = 0) -> datetime:
        """Move time forward, in the database and in Python, while nothing runs; return the new time.

        What comes due waits for the next drain, as after an outage: schedules follow their `catch_up`.
        """
        self._clock.move(timedelta(days=days, hours=hours, minutes=minutes, seconds=seconds))
        return self.now()

    def now(self) -> datetime:
        """Return the time of the database, in UTC."""
        return self._clock.now()

    def enqueued(self, task: Task | str | None = None, /, **args: Any) -> Jobs:
        """Return the jobs that were enqueued in this test, the earliest first, also those that have ended since.

        It does not matter how: by a handler, by an application, by SQL, over HTTP or by a schedule. Only the jobs that
        `run` makes are left out.

        Args:
            task: only jobs of this task.
            args: only jobs with these arguments; they may have others beside them.

        Raises:
            UnknownTaskError: no task has this name.
            MillError: the task has no such argument, or arguments are given without a task.
        """
        if task is None and args:
            msg = "Arguments belong to a task: name it, mill.enqueued('invoice.send', number=…)"
            raise MillError(msg)
        every = [job for job in self._jobs() if job.id not in self._own]
        if task is None:
            return Jobs(every)
        found = find_task(task, self._platform.root)
        wanted = encode_known(found, args)
        return Jobs((job for job in every if matches(job, found.name, wanted)), instead_of=every)

    def job(self, job_id: UUID) -> Job:
        """Return a job as it is now.

        Raises:
            JobNotFoundError: there is no such job.
        """
        with self.session() as session:
            return job_of(get_job(session, job_id), self._platform.settings.secret_key)

    def dead_letters(self) -> list[DeadLetter]:
        """Return the open dead letters, the earliest first."""
        with self.session() as session:
            return [letter_of(letter) for letter in queries.list_open_letters(session)]

    def cancel(self, job_id: UUID) -> None:
        """Cancel a job: one that waits ends now, one that runs is asked to end.

        Raises:
            JobNotFoundError: there is no such job.
            ConflictError: it has succeeded, or is dead.
        """
        with self.session() as session:
            cancel_job(session, job_id, actor=_ACTOR)

    def mails(self, to: str | None = None) -> list[dict[str, Any]]:
        """Return the mails that were submitted, the earliest first.

        Args:
            to: only those to this address.

        Returns:
            Each with `from`, `to` (a list), `subject`, `text`, `html`, `message_id` and `received_at`.
        """
        return [mail.as_json() for mail in reversed(self._platform.mailbox.newest(to))]

    def client(self, *scopes: str, producer: str = "test") -> FlaskClient:
        """Return a test client of the HTTP API that sends the key of a producer.

        Args:
            scopes: of the producer; by default `jobs:read` and `jobs:write`.
            producer: its name; it is made unless it is there.

        Raises:
            MillError: the extra `web` is missing, or the producer is there with other scopes.
            InvalidError: there is no such scope.
        """
        if self._app is None:
            self._app = self._stack.enter_context(ingress(self._platform))
        chosen = scopes or ("jobs:read", "jobs:write")
        return client_of(self._app, self._platform, producer=producer, scopes=chosen)

    def _jobs(self) -> list[Job]:
        with self.session() as session:
            return [job_of(row, self._platform.settings.secret_key) for row in queries.list_jobs(session)]

    def _refuse_vain(self, drain: Drain, reason: str) -> None:
        jobs = [f"{job.task} is {job.state}, due at {job.run_at}" for job in self._jobs() if job.finished_at is None]
        live = "; ".join(jobs[:5]) or "no job is live"
        msg = f"{reason} after {len(drain.attempts)} attempts, and `until` is still false: {live}"
        raise MillError(msg)
