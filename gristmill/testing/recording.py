"""The executor of a worker, which also records the attempts that it makes, and what their handlers return and raise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from gristmill.workers.execute.attempt import Executor
from gristmill.workers.execute.bundles import Bundles
from gristmill.workers.execute.handlers import Handlers
from gristmill.workers.execute.heartbeat import Heartbeat
from gristmill.workers.execute.outside import Outside

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.database.connect import Database
    from gristmill.shared.jobs.moves import Claimed
    from gristmill.shared.settings import Settings
    from gristmill.shared.task import Task
    from gristmill.workers.execute.settle import Unsuccessful

WORKER: Final = "tests"


@dataclass(slots=True)
class Record:
    """The attempts of one hint, in order.

    Attributes:
        outcomes: what the last call of each handler returned.
        errors: what ended the attempts that failed.
    """

    claimed: list[Claimed] = field(default_factory=list)
    outcomes: dict[UUID, Any] = field(default_factory=dict)
    errors: dict[UUID, BaseException] = field(default_factory=dict)

    def note(self, jobs: Sequence[Claimed], others: Unsuccessful) -> Unsuccessful:
        """Record that the attempts of `jobs` were made, and how those ended that did not succeed."""
        self.claimed += jobs
        self.errors |= {job.id: error for job, error in others.failed}
        self.outcomes |= {job.id: outcome for job, outcome in others.declined}
        return others


class RecordingExecutor(Executor):
    """An executor with a record, one for all queues. It does what a worker does, in the same statements."""

    def __init__(self, database: Database) -> None:
        super().__init__(database, worker=WORKER, queue=WORKER, begun=self._on_begun)
        self.record = Record()
        self._when_begun: Callable[[], object] | None = None
        heartbeat, handlers = Heartbeat(database), _Handlers(database.settings, self)
        self._bundles = _Bundles(self, database, heartbeat, handlers)
        self._outside = _Outside(self, database, heartbeat, handlers)

    def run(self, ids: Sequence[UUID], *, when_begun: Callable[[], object] | None = None) -> Record:
        """Execute a hint and return its record.

        Args:
            ids: jobs of one task.
            when_begun: called between the claim and the handlers.
        """
        self.record, self._when_begun = Record(), when_begun
        self.execute(list(ids))
        return self.record

    def _on_begun(self, _count: int) -> None:
        if self._when_begun is not None:
            self._when_begun()


class _Bundles(Bundles):
    def __init__(self, owner: RecordingExecutor, database: Database, heartbeat: Heartbeat, handlers: Handlers) -> None:
        super().__init__(database, heartbeat, handlers, _never)
        self._owner = owner

    def run(self, task: Task, jobs: list[Claimed]) -> Unsuccessful:
        return self._owner.record.note(jobs, super().run(task, jobs))


class _Outside(Outside):
    def __init__(self, owner: RecordingExecutor, database: Database, heartbeat: Heartbeat, handlers: Handlers) -> None:
        super().__init__(database, heartbeat, handlers, _never)
        self._owner = owner

    def run(self, task: Task, job: Claimed) -> Unsuccessful:
        return self._owner.record.note([job], super().run(task, job))


class _Handlers(Handlers):
    """Handlers whose outcomes are recorded: that a job was snoozed does not say for how long."""

    __slots__ = ("_owner",)
    _owner: RecordingExecutor

    def __init__(self, settings: Settings, owner: RecordingExecutor) -> None:
        super().__init__(settings)
        object.__setattr__(self, "_owner", owner)

    def call(
        self,
        task: Task,
        job: Claimed,
        *,
        is_cancelled: Callable[[], bool],
        session: Session | None = None,
        open_transaction: Callable[[], AbstractContextManager[Session]] | None = None,
    ) -> Any:
        outcome = super().call(task, job, is_cancelled=is_cancelled, session=session, open_transaction=open_transaction)
        self._owner.record.outcomes[job.id] = outcome
        return outcome

    def call_many(self, task: Task, jobs: Sequence[Claimed], **context: Any) -> list[Any]:
        outcomes = super().call_many(task, jobs, **context)
        self._owner.record.outcomes |= {job.id: outcome for job, outcome in zip(jobs, outcomes, strict=False)}
        return outcomes


def _never() -> bool:
    return False
