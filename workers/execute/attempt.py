"""Execute a hint: one attempt of each of its jobs, from the claim to the end."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING
from uuid import UUID

from gristmill.shared.base.crashpoints import crash_point
from gristmill.workers.execute import settle
from gristmill.workers.execute.bundles import Bundles
from gristmill.workers.execute.claim import claim
from gristmill.workers.execute.effects import sort_by_effects
from gristmill.workers.execute.handlers import Handlers
from gristmill.workers.execute.heartbeat import Heartbeat
from gristmill.workers.execute.outside import Outside

if TYPE_CHECKING:
    from gristmill.shared.database.connect import Database


class Executor:
    """Executes hints in one worker process, tells `begun` how many attempts it begins, and stops when it is told to."""

    def __init__(
        self,
        database: Database,
        *,
        worker: str,
        queue: str,
        begun: Callable[[int], object] = lambda _: None,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self._database, self._worker, self._queue, self._begun = database, worker, queue, begun
        heartbeat, handlers = Heartbeat(database), Handlers(database.settings)
        self._bundles = Bundles(database, heartbeat, handlers, is_stopping)
        self._outside = Outside(database, heartbeat, handlers, is_stopping)

    def execute(self, ids: list[UUID]) -> bool:
        """Run those of `ids` that are due, each to the end of one attempt; when told to stop, give the rest back.

        Returns:
            Whether a job is dead now, so that its message belongs into the dead-letter queue, too.

        Raises:
            sqlalchemy.exc.OperationalError: the database stayed away; nothing is lost, the hint has to come again.
        """
        crash_point("executor.before_claim")
        claimed = claim(self._database, ids, worker=self._worker, queue=self._queue)
        crash_point("executor.after_claim")
        self._begun(len(claimed))
        bundles, outside, unknown = sort_by_effects(claimed)
        settle.end_unknown(self._database, unknown)
        dead = False
        for task, jobs in bundles:
            dead |= settle.end_unsuccessful(self._database, task, self._bundles.run(task, jobs))
        for task, job in outside:
            dead |= settle.end_unsuccessful(self._database, task, self._outside.run(task, job))
        return dead
