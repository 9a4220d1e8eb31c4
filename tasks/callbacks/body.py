"""What a callback says: the job as the API shows it, as it ended, within a bound."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from gristmill.shared.operating.job_details import show_job

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.dead_letters.models import DeadLetter
    from gristmill.shared.settings import Settings
    from gristmill.tasks.callbacks.queries import Ended

LARGEST: Final = 256 * 1024  # bytes, as much as the API takes itself
# What GET /api/v1/jobs/{id} shows of a job that has ended; its children may be made after it was told of.
SHOWN: Final = (
    "id",
    "task",
    "queue",
    "state",
    "priority",
    "run_at",
    "expires_at",
    "created_at",
    "attempt",
    "max_attempts",
    "started_at",
    "finished_at",
    "tags",
    "args",
    "result",
    "attempts",
    "cancel_requested_at",
    "worker",
    "unique_key",
    "callback_url",
    "parent",
    "trace_id",
)
_LEFT_OUT_FIRST: Final = ("args", "attempts", "result")  # the producer knows its arguments


def write_body(
    session: Session, ended: Ended, *, event: str, ended_at: datetime, attempt: int, settings: Settings
) -> bytes:
    """Return the body, as JSON.

    A job that was redriven since is told of as it ended then, as far as that is kept.

    Args:
        session: the caller's.
        ended: the job.
        event: such as `job.dead`.
        ended_at: when.
        attempt: the number of its last attempt by then.
        settings: for the URL at which the rest is to be seen.
    """
    shown = show_job(session, ended.job, payloads=ended.producer.sees_payloads)
    data = {name: shown[name] for name in SHOWN}
    if ended.job.finished_at != ended_at:
        data |= {"result": None, "attempts": [each for each in data["attempts"] if each["attempt"] <= attempt]}
    data |= {"state": event.removeprefix("job."), "attempt": attempt, "finished_at": ended_at}
    if event == "job.dead" and ended.letter is not None:
        data["error"] = _show_error(ended.letter)
    message = {"type": event, "timestamp": ended_at, "data": data}
    return _bounded(message, f"{settings.public_url.rstrip('/')}/api/v1/jobs/{ended.job.id}")


def _show_error(letter: DeadLetter) -> dict[str, str | None]:
    return {
        "reason": letter.reason,
        "fingerprint": letter.fingerprint,
        "type": letter.error_type,
        "code": letter.error_code,
        "message": letter.error_message,
    }


def _bounded(message: dict[str, Any], place: str) -> bytes:
    """Write `message`; what makes it too large is left out, with a word on where it is."""
    body = orjson.dumps(message, option=orjson.OPT_UTC_Z)
    data, left_out = message["data"], []
    for name in _LEFT_OUT_FIRST:
        if len(body) <= LARGEST:
            break
        left_out.append(name)
        data[name] = None
        data["left_out"] = {"fields": left_out, "hint": f"too large for a callback: GET {place} shows all of it"}
        body = orjson.dumps(message, option=orjson.OPT_UTC_Z)
    return body
