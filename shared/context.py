"""Context of a handler: the job that it runs for, its session, and functions to enqueue more jobs."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from gristmill.shared.jobs.options import JobOptions

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.settings import Settings
    from gristmill.shared.task import Task


@dataclass(slots=True, kw_only=True)
class Context:
    """The job that a handler runs for.

    A task with `effects="database"` works on `session`. A task with `effects="outside"` holds no transaction while it
    waits for the world; it opens short ones with `transaction()`, which fail when the attempt has lost its fence.
    """

    job_id: UUID
    task: str
    attempt: int
    max_attempts: int
    settings: Settings
    traceparent: str | None = None
    bound_session: Session | None = None
    open_transaction: Callable[[], AbstractContextManager[Session]] | None = None
    is_cancelled: Callable[[], bool] = field(default=lambda: False)

    @property
    def session(self) -> Session:
        """The session whose commit is also the job's completion.

        Raises:
            RuntimeError: the task declares `effects="outside"`; use `transaction()`.
        """
        if self.bound_session is None:
            msg = f'{self.task} declares effects="outside": open a short transaction with ctx.transaction()'
            raise RuntimeError(msg)
        return self.bound_session

    def transaction(self) -> AbstractContextManager[Session]:
        """Open a short transaction that commits at its end (or, in a database task, take part in the job's own).

        Raises:
            FenceLostError: at once, when another attempt has taken over.
        """
        if self.open_transaction is not None:
            return self.open_transaction()
        return nullcontext(self.session)

    @property
    def cancelled(self) -> bool:
        """True once somebody has asked to cancel this job. A long handler checks it now and then, and returns."""
        return self.is_cancelled()

    def enqueue(self, task: Task | str, options: JobOptions | None = None, /, **args: Any) -> UUID:
        """Enqueue a child of this job in the job's own transaction: it exists if and only if this job succeeds."""
        return self.enqueue_in(self.session, task, options, **args)

    def enqueue_in(self, session: Session, task: Task | str, options: JobOptions | None = None, /, **args: Any) -> UUID:
        """Enqueue a child of this job in `session`, for tasks with outside effects."""
        from gristmill.shared.jobs.enqueue import enqueue  # applications import this module, not that one

        chosen = (options or JobOptions()).child_of(self.job_id, self.traceparent)
        return enqueue(session, task, chosen, **args)


@dataclass(frozen=True, slots=True)
class Call:
    """One job of a handler for many: its context, and its arguments as the schema loaded them."""

    ctx: Context
    args: dict[str, Any]
