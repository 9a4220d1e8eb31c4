"""A job as a producer sees it: its row, its attempts put together, and why it has not run yet."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from shared.queries.jobs import list_attempts, list_children
from shared.queries.progress import look_at_progress
from shared.sealing import redact
from shared.states import WAITING, State
from shared.task import registry

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from shared.models.jobs import Attempt, Job
    from shared.queries.jobs import Accepted
    from shared.queries.progress import Progress


def show_accepted(accepted: Accepted) -> dict[str, Any]:
    """Return what a producer is told of a job that was accepted, or found to be there."""
    shown = {
        "id": accepted.id,
        "task": accepted.task,
        "queue": accepted.queue,
        "state": accepted.state,
        "priority": accepted.priority,
        "run_at": accepted.run_at,
        "expires_at": accepted.expires_at,
        "created_at": accepted.created_at,
    }
    return shown | {"duplicate": True} if accepted.duplicate else shown


def show_job(session: Session, job: Job, *, tracebacks: bool = False) -> dict[str, Any]:
    """Return all that there is to tell of `job`, without its secret arguments.

    Args:
        tracebacks: whether the asker may see where in the code an attempt failed.
    """
    task = registry.find(job.task)
    shown = {column.key: getattr(job, column.key) for column in job.__table__.columns}
    return shown | {
        "args": redact(job.args, task.secret_args) if task is not None else _hide_all(job.args),
        "attempts": show_attempts(job, list_attempts(session, job.id), tracebacks=tracebacks),
        "waiting_for": waiting_for(job, look_at_progress(session, job)) if job.state in WAITING else None,
        "parent": job.parent_id,
        "children": list_children(session, job.id),
        "trace_id": job.traceparent.split("-")[1] if job.traceparent else None,
    }


def _hide_all(args: dict[str, Any]) -> dict[str, Any]:
    """Show no argument of a task that this process does not know: any of them may be a secret."""
    return redact(args, frozenset(args))


def show_attempts(job: Job, history: Sequence[Attempt], *, tracebacks: bool) -> list[dict[str, Any]]:
    """Return every attempt of `job`, oldest first: the history has those that did not succeed, the row has the last."""
    shown: list[dict[str, Any]] = [
        {
            "attempt": one.attempt,
            "outcome": one.outcome,
            "worker": one.worker,
            "started_at": one.started_at,
            "ended_at": one.ended_at,
            "error": _show_error(one, tracebacks=tracebacks),
        }
        for one in history
    ]
    if job.state in (State.RUNNING, State.SUCCEEDED) and all(one.attempt != job.attempt for one in history):
        shown.append(
            {
                "attempt": job.attempt,
                "outcome": job.state,
                "worker": job.worker,
                "started_at": job.started_at,
                "ended_at": job.finished_at,
                "error": None,
            }
        )
    return shown


def _show_error(attempt: Attempt, *, tracebacks: bool) -> dict[str, str | None] | None:
    if attempt.error_type is None and attempt.error_message is None:
        return None
    shown = {"type": attempt.error_type, "code": attempt.error_code, "message": attempt.error_message}
    return shown | {"traceback": attempt.traceback} if tracebacks else shown


def waiting_for(job: Job, progress: Progress) -> str:
    """Say in a sentence why a job that waits has not run yet."""
    if job.run_at > progress.now:
        when = _written(job.run_at)
        if job.state == State.RETRYING:
            return f"retrying after {progress.last_error or 'an error'} at {when}"
        return f"not due until {when}"
    if progress.hint_waits:
        return "waiting to be published to the broker"
    return f"published, waiting for a worker of {job.queue}"


def _written(time: datetime) -> str:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")
