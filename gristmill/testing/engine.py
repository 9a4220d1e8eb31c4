"""Execute what is due: the outbox, the claim and the end of each attempt are the platform's; the broker is left out."""

from __future__ import annotations

from collections import Counter
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from gristmill.shared.jobs.outbox import Due, seconds_to_next, take_due
from gristmill.shared.operating.queries_pause import hold, list_releasable, release
from gristmill.shared.plugins.load import load_plugins
from gristmill.shared.schedules.defaults import sync_schedules
from gristmill.shared.schedules.fire import fire_due
from gristmill.shared.schedules.queries import seconds_to_next_fire
from gristmill.testing.outcomes import MillError
from gristmill.workers.execute.attempt import Executor
from gristmill.workers.relay.bundling import bundle_hints

if TYPE_CHECKING:
    from gristmill.shared.database.connect import Database

BATCH: Final = 100  # hints taken at once
_SOON: Final = 0.001  # seconds: what is due in less is due


class Engine:
    """Relay, workers and beat in one.

    Attributes:
        ahead: how far time has moved: the clock of the schedules is so much ahead of the database's.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._executors: dict[str, Executor] = {}
        self._synced = False
        self.ahead = timedelta()

    def drain(self, *, limit: int) -> list[UUID]:
        """Execute what is due, and what that enqueues; return the ids of the jobs in the order of their first attempts.

        Raises:
            MillError: more than `limit` attempts.
        """
        ids: dict[UUID, None] = {}
        tasks: Counter[str] = Counter()
        while due := self._take():
            for hint in bundle_hints(due):
                tasks[hint.task] += len(hint.job_ids)
                if tasks.total() > limit:
                    named = ", ".join(f"{task} ({count} times)" for task, count in tasks.most_common(5))
                    msg = f"More than {limit} attempts, and jobs are due still: {named}; do they enqueue each other?"
                    raise MillError(msg)
                self._executor(hint.queue).execute(list(hint.job_ids))
                ids |= dict.fromkeys(hint.job_ids)
        return list(ids)

    def until_next(self, most: timedelta) -> timedelta:
        """Return the time until the next hint or fire is due, `most` when there is none before."""
        with self._database.transaction() as session:
            hint, fire = seconds_to_next(session), seconds_to_next_fire(session)
        waits = [hint, None if fire is None else fire - self.ahead.total_seconds()]
        seconds = min((wait for wait in waits if wait is not None), default=most.total_seconds())
        return timedelta(seconds=max(_SOON, seconds + _SOON))

    def _take(self) -> list[Due]:
        """Fire schedules and take due hints; those of paused queues are held, as the relay does."""
        with self._database.transaction() as session:
            if not self._synced:
                sync_schedules(session, load_plugins().schedules)
                self._synced = True
            fire_due(session, ahead=self.ahead)
            for queue in list_releasable(session):
                release(session, queue, limit=BATCH)
            due = take_due(session, limit=BATCH)
            if held := [hint for hint in due if hint.paused]:
                hold(session, held)
        return [hint for hint in due if not hint.paused]

    def _executor(self, queue: str) -> Executor:
        if queue not in self._executors:
            self._executors[queue] = Executor(self._database, worker=f"{queue}@test", queue=queue)
        return self._executors[queue]
