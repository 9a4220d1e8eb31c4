"""Execute what is due, in the order of its time, as a relay, the workers, beat and maintenance would."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from gristmill.shared.jobs.outbox import Due, take_due
from gristmill.shared.operating.pause import expire_held
from gristmill.shared.operating.queries_pause import hold, list_releasable, release
from gristmill.shared.schedules.fire import fire_due
from gristmill.shared.schedules.queries import seconds_to_next_fire
from gristmill.shared.task import registry
from gristmill.testing.alarm import lent_alarm
from gristmill.testing.mill_error import MillError
from gristmill.testing.queries_jobs import count_due, find_ends, find_next_event, take_mates
from gristmill.testing.records import Attempt
from gristmill.workers.hint_size import portion_size
from gristmill.workers.repair import pruner, reconciler

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.testing.clock import Clock
    from gristmill.testing.platform import Platform
    from gristmill.testing.recording import Record

Until = Callable[[], object]
LIMIT: Final = 1_000  # attempts
_BATCH: Final = 1_000  # rows of one transaction


class EndlessError(MillError):
    """More attempts than allowed were made, and more are due; the message names the tasks."""


class Drain:
    """One drain: makes attempts until nothing is due, and collects them.

    Args:
        limit: the most attempts, over the whole drain.
        until: the drain also ends when this returns something true.
        failed: is told of each attempt that raised.
    """

    def __init__(
        self, platform: Platform, *, limit: int, until: Until | None, failed: Callable[[Attempt], object]
    ) -> None:
        self._platform = platform
        self._database = platform.database
        self._limit, self._until, self._failed = limit, until, failed
        self.attempts: list[Attempt] = []

    def run(self) -> bool:
        """Make the attempts that are due now, those of children and of schedules too. Returns whether `until` is true.

        Raises:
            EndlessError: there is no end of it.
        """
        with lent_alarm():
            self._maintain()
            while not self._is_over():
                hint = self._take_hint() or self._take_hint_after_maintenance()
                if hint is None:
                    self._prune()
                    return False
                self._refuse_endless()
                self._execute(hint)
        return True

    def run_while_time_passes(self, clock: Clock, span: timedelta) -> bool:
        """Make the attempts that are due from now until `span` has passed. Returns whether `until` is true.

        Raises:
            EndlessError: there is no end of it.
        """
        end = clock.now() + span
        before: tuple[datetime, int] | None = None
        while not self.run():
            with self._database.transaction() as session:
                following = find_next_event(session)
            if following is None or following > end:
                clock.move_to(end)
                return self._is_over()
            if before == (following, len(self.attempts)):
                msg = f"What is due at {following} does not happen: a transaction of the test holds its row; end it"
                raise MillError(msg)
            before = (following, len(self.attempts))
            clock.move_to(following)
        return True

    def _is_over(self) -> bool:
        return self._until is not None and bool(self._until())

    def _maintain(self) -> None:
        """Fire schedules, put back what was held or lost, and expire what nobody wants any more."""
        while reconciler.take_over_lost(self._database):
            pass
        with self._database.transaction() as session:
            for queue in list_releasable(session):
                release(session, queue, limit=_BATCH)
            expire_held(session, limit=_BATCH)
            while _is_due(seconds_to_next_fire(session)) and fire_due(session):
                pass

    def _take_hint_after_maintenance(self) -> list[UUID] | None:
        self._maintain()
        return self._take_hint()

    def _take_hint(self) -> list[UUID] | None:
        """Take the next hint that is due: a job, and with it those that share its bundle. None when nothing is due."""
        with self._database.transaction() as session:
            while due := take_due(session, limit=1):
                (first,) = due
                if not first.paused:
                    return [first.job_id, *_take_mates_of(session, first)]
                hold(session, due)
        return None

    def _execute(self, ids: Sequence[UUID]) -> None:
        made = attempts_of(self._platform, self._platform.executor.run(ids))
        self.attempts += made
        for attempt in made:
            if attempt.error is not None:
                self._failed(attempt)

    def _refuse_endless(self) -> None:
        if len(self.attempts) < self._limit:
            return
        with self._database.transaction() as session:
            due = count_due(session)
        made = Counter(attempt.task for attempt in self.attempts)
        tasks = ", ".join(f"{task} {count}" for task, count in made.most_common())
        left = ", ".join(f"{task} {count}" for task, count in due.items()) or "one more"
        msg = (
            f"{len(self.attempts)} attempts were made ({tasks}) and there is no end of it (still due: {left}). A task "
            f"that enqueues or snoozes itself forever never ends; if so many are meant, give limit={self._limit * 10}"
        )
        raise EndlessError(msg)

    def _prune(self) -> None:
        while pruner.prune(self._database) == pruner.BATCH:
            pass


def attempts_of(platform: Platform, record: Record) -> list[Attempt]:
    """Return the attempts of a record, with what has become of their jobs."""
    with platform.database.transaction() as session:
        found = find_ends(session, [job.id for job in record.claimed])
    return [
        Attempt(
            job_id=job.id,
            task=job.task,
            number=job.attempt,
            state=found[job.id].state,
            result=found[job.id].result if found[job.id].state == "succeeded" else record.outcomes.get(job.id),
            error=record.errors.get(job.id),
        )
        for job in record.claimed
    ]


def _take_mates_of(session: Session, hint: Due) -> list[UUID]:
    limit = portion_size(registry.find(hint.task)) - 1
    if hint.alone or limit == 0:
        return []
    return take_mates(session, task=hint.task, queue=hint.queue, limit=limit)


def _is_due(seconds: float | None) -> bool:
    return seconds is not None and seconds <= 0
