"""Redrive or discard one dead letter; a redrive may correct the job's arguments."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sqlalchemy.exc import IntegrityError

from gristmill.shared.audit.queries import record_act
from gristmill.shared.base.crashpoints import crash_point
from gristmill.shared.base.redaction import SHOWN_SEALED
from gristmill.shared.base.sealing import seal, unseal
from gristmill.shared.database.connect import SECRET_KEY
from gristmill.shared.dead_letters.queries import discard_letter, get_letter
from gristmill.shared.errors import ConflictError, ForbiddenError, InvalidArgsError, PermanentError
from gristmill.shared.jobs import moves
from gristmill.shared.jobs.find import get_job
from gristmill.shared.task import Task, registry

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.dead_letters.models import DeadLetter
    from gristmill.shared.jobs.models import Job
    from gristmill.shared.settings import Secret

_UNIQUE_KEY: Final = "uq_jobs_unique_key"


def redrive_one(
    session: Session,
    letter_id: UUID,
    *,
    actor: str,
    producer_id: UUID | None = None,
    args: Mapping[str, Any] | None = None,
    allowed_tasks: frozenset[str] | None = None,
) -> Job:
    """Redrive the job of a dead letter, in the caller's transaction.

    Args:
        session: from `Database.transaction()`.
        letter_id: the dead letter.
        actor: who redrives it, for the audit log.
        producer_id: only a dead letter of this producer's jobs; None for any.
        args: the arguments that replace the job's. A secret one given as `[sealed]`, as it is shown, is kept.
        allowed_tasks: the only tasks whose arguments the actor may replace; None allows every task.

    Returns:
        The job, waiting again.

    Raises:
        NotFoundError: there is no such dead letter.
        ConflictError: it is resolved already, never had a job, or a live job has the same unique key.
        UnknownTaskError: this version does not know the task.
        InvalidArgsError: the new arguments do not match the task's schema.
        ForbiddenError: the task is not among the allowed ones.
    """
    letter = get_letter(session, letter_id, producer_id=producer_id)
    job = _get_redrivable_job(session, letter)
    task = registry.get(job.task)
    if args is not None and allowed_tasks is not None and task.name not in allowed_tasks:
        msg = f"This key may not give {task.name} new arguments; redrive without args, or use another key"
        raise ForbiddenError(msg, {"args": ["the task is not among those of this key"]})
    corrected = None
    if args is not None:
        corrected = correct_args(task, job.args, args, secret_key=session.info[SECRET_KEY])
    if not redrive_if_unique(session, job.id, actor=actor, args=corrected):
        session.refresh(letter)
        _require_open(letter)
        msg = f"The job {job.id} is not dead any more; look at it before you redrive"
        raise ConflictError(msg)
    record_act(
        session,
        actor=actor,
        action="dead_letter.redrive",
        subject=f"dead_letter:{letter.id}",
        job=str(job.id),
        corrected=sorted(args) if args is not None else None,
    )
    session.refresh(job)
    crash_point("redrive.before_commit")
    return job


def _get_redrivable_job(session: Session, letter: DeadLetter) -> Job:
    _require_open(letter)
    if letter.job_id is None:
        msg = f"Dead letter {letter.id} is a message that never was a job: there is nothing to run; discard it"
        raise ConflictError(msg)
    return get_job(session, letter.job_id)


def correct_args(
    task: Task, current: Mapping[str, Any], given: Mapping[str, Any], *, secret_key: Secret
) -> dict[str, Any]:
    """Return `given` as it is stored: checked against the task's schema, its secrets sealed.

    Raises:
        InvalidArgsError: it does not match the schema, or a secret to keep was sealed with another secret key.
    """
    kept = frozenset(name for name in task.secret_args & current.keys() if given.get(name) == SHOWN_SEALED)
    try:
        args = {**given, **unseal(secret_key, {name: current[name] for name in kept}, kept)}
    except PermanentError as error:
        raise InvalidArgsError(error.message, {f"args.{name}": [error.message] for name in sorted(kept)}) from None
    task.load_args(args)
    return seal(secret_key, args, task.secret_args)


def _require_open(letter: DeadLetter) -> None:
    if letter.resolution is not None:
        when = f"{letter.resolved_at:%Y-%m-%d %H:%M:%SZ} by {letter.resolved_by}"
        msg = f"Dead letter {letter.id} was {letter.resolution} on {when}: there is nothing left to do with it"
        raise ConflictError(msg)


def redrive_if_unique(
    session: Session, job_id: UUID, *, actor: str, args: Mapping[str, Any] | None = None, start: float = 0.0
) -> moves.Redriven | None:
    """Redrive one job; returns None when it was not dead.

    Raises:
        ConflictError: a live job has its unique key; the unique index decides.
    """
    try:
        with session.begin_nested():
            moved = moves.redrive(session, [job_id], actor=actor, args=args, start=start)
    except IntegrityError as error:
        if getattr(getattr(error.orig, "diag", None), "constraint_name", None) != _UNIQUE_KEY:
            raise
        msg = f"A live job has the unique key of {job_id}: wait for its end, cancel it, or discard the dead letter"
        raise ConflictError(msg) from None
    return moved[0] if moved else None


def discard_one(
    session: Session, letter_id: UUID, *, actor: str, reason: str, producer_id: UUID | None = None
) -> DeadLetter:
    """Discard a dead letter, in the caller's transaction; its job stays dead.

    Args:
        session: from `Database.transaction()`.
        letter_id: the dead letter.
        actor: who discards it, for the audit log.
        reason: why; kept as the note of the dead letter.
        producer_id: only a dead letter of this producer's jobs; None for any.

    Raises:
        NotFoundError: there is no such dead letter.
        ConflictError: it is resolved already.
    """
    letter = get_letter(session, letter_id, producer_id=producer_id)
    moved = discard_letter(session, letter_id, actor=actor, reason=reason)
    session.refresh(letter)
    if not moved:
        _require_open(letter)
    record_act(
        session,
        actor=actor,
        action="dead_letter.discard",
        subject=f"dead_letter:{letter.id}",
        job=str(letter.job_id) if letter.job_id is not None else None,
        reason=reason,
    )
    return letter
