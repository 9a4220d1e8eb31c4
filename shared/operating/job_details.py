"""Job details: show a job with its attempts, its relatives and the reason why it has not ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from gristmill.shared.base.redaction import hide_sealed
from gristmill.shared.jobs.find import list_attempts, list_children
from gristmill.shared.operating.why_waiting import explain_waiting
from gristmill.shared.states import State
from gristmill.shared.task import registry

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.jobs.models import Attempt, Job


def show_job(session: Session, job: Job, *, tracebacks: bool = False, payloads: bool = True) -> dict[str, Any]:
    """Return a job with everything known about it, without its secret arguments.

    Args:
        session: the caller's.
        job: the job.
        tracebacks: whether the tracebacks of its attempts are shown.
        payloads: whether arguments and result are shown.
    """
    task = registry.find(job.task)
    shown = {column.key: getattr(job, column.key) for column in job.__table__.columns}
    reason = explain_waiting(session, job)
    args = hide_sealed(job.args, task.secret_args) if task is not None else _hide_all(job.args)
    return shown | {
        "args": args if payloads else None,
        "result": job.result if payloads else None,
        "attempts": show_attempts(job, list_attempts(session, job.id), tracebacks=tracebacks),
        "waiting_for": reason.message if reason is not None else None,
        "waiting_evidence": reason.shown() if reason is not None else None,
        "parent": job.parent_id,
        "children": list_children(session, job.id),
        "trace_id": job.traceparent.split("-")[1] if job.traceparent else None,
    }


def _hide_all(args: dict[str, Any]) -> dict[str, Any]:
    """Hide every argument of a task that this process does not know: any of them may be secret."""
    return hide_sealed(args, frozenset(args))


def show_attempts(job: Job, history: Sequence[Attempt], *, tracebacks: bool) -> list[dict[str, Any]]:
    """Return every attempt of `job`, oldest first: `history` holds the unsuccessful ones, the row the latest."""
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
