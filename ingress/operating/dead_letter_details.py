"""Show a dead letter to its producer: the failure, the attempts and the message."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any, Final

from gristmill.shared.jobs.find import find_job, list_attempts
from gristmill.shared.operating.job_details import show_attempts

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.dead_letters.models import DeadLetter
    from gristmill.shared.dead_letters.queries_groups import LetterGroup

_EXCERPT: Final = 2_000  # characters: enough to recognise a message


def show_listed_dead_letter(letter: DeadLetter) -> dict[str, Any]:
    """Return a dead letter as a list shows it."""
    shown = {column.key: getattr(letter, column.key) for column in letter.__table__.columns}
    error = {"type": letter.error_type, "code": letter.error_code, "message": letter.error_message}
    return shown | {"attempt": letter.attempts, "error": error}


def show_dead_letter_details(
    session: Session, letter: DeadLetter, *, tracebacks: bool, payloads: bool
) -> dict[str, Any]:
    """Return a dead letter with its attempts and message.

    Args:
        session: the caller's.
        letter: the dead letter.
        tracebacks: whether to show where in the code it failed.
        payloads: whether to show the body of a message that never was a job.
    """
    shown = show_listed_dead_letter(letter)
    if tracebacks:
        shown["error"] |= {"traceback": letter.traceback}
    job = find_job(session, letter.job_id) if letter.job_id is not None else None
    history = list_attempts(session, job.id) if job is not None else []
    return shown | {
        "attempts": show_attempts(job, history, tracebacks=tracebacks) if job is not None else [],
        "raw_body": _show_bytes(letter.raw_body) if letter.raw_body is not None and payloads else None,
    }


def _show_bytes(raw: bytes) -> dict[str, Any]:
    text = raw.decode(errors="replace")[:_EXCERPT]
    return {
        "base64": base64.b64encode(raw).decode(),
        "excerpt": "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text),
        "bytes": len(raw),
    }


def show_dead_letter_group(group: LetterGroup) -> dict[str, Any]:
    """Return a group of dead letters with its sample."""
    return {
        "task": group.task,
        "fingerprint": group.fingerprint,
        "count": group.count,
        "first_seen": group.first_seen,
        "last_seen": group.last_seen,
        "sample": show_listed_dead_letter(group.sample),
    }
