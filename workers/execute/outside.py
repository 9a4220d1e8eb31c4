"""Run jobs with outside effects: each alone, with no open transaction while its handler waits for the world."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import structlog

from gristmill.shared.base.crashpoints import crash_point
from gristmill.shared.errors import FenceLostError
from gristmill.shared.outcomes import Cancel, Discard, Snooze
from gristmill.workers.execute import settle
from gristmill.workers.execute.fence import fenced_transaction
from gristmill.workers.execute.handlers import HANDLER_ERRORS, Handlers, checked
from gristmill.workers.execute.settle import Unsuccessful
from gristmill.workers.execute.time_limit import alarm_clock

if TYPE_CHECKING:
    from gristmill.shared.database.connect import Database
    from gristmill.shared.jobs.moves import Claimed
    from gristmill.shared.task import Task
    from gristmill.workers.execute.heartbeat import Heartbeat

log = structlog.get_logger(__name__)


class Outside:
    """Runs the jobs of one worker process that talk to the world. The heartbeat keeps their leases meanwhile."""

    def __init__(
        self, database: Database, heartbeat: Heartbeat, handlers: Handlers, is_stopping: Callable[[], bool]
    ) -> None:
        self._database = database
        self._heartbeat = heartbeat
        self._handlers = handlers
        self._is_stopping = is_stopping

    def run(self, task: Task, job: Claimed) -> Unsuccessful:
        """Run the handler of `job`, and settle it when it succeeds or snoozes."""
        if self._is_stopping():
            return Unsuccessful(not_begun=[job])
        try:
            outcome, result = self._call(task, job)
        except FenceLostError:
            log.warning("job.fenced", job_id=str(job.id), attempt=job.attempt)
            return Unsuccessful()
        except HANDLER_ERRORS as error:
            return Unsuccessful(failed=[(job, error)])
        if isinstance(outcome, (Discard, Cancel)):
            return Unsuccessful(declined=[(job, outcome)])
        if isinstance(outcome, Snooze):
            settle.end_snoozed(self._database, job, outcome.delay)
        else:
            crash_point("executor.after_handler")
            settle.end_succeeded(self._database, job, result)
            crash_point("executor.after_commit")
        return Unsuccessful()

    def _call(self, task: Task, job: Claimed) -> tuple[Any, Any]:
        """Return the handler's outcome, and its result as JSON knows it."""
        with self._heartbeat.renewing([job]) as running, alarm_clock():
            outcome = self._handlers.call(
                task,
                job,
                open_transaction=lambda: fenced_transaction(self._database, job),
                is_cancelled=lambda: running.is_cancelled(job.id),
            )
            return outcome, checked(outcome)
