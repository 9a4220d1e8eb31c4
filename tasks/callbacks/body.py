"""Write the body of a callback: the job as the API shows it, at its end, within a size limit."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import orjson

from gristmill.shared.operating.job_details import show_job

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.dead_letters.models import DeadLetter
    from gristmill.shared.settings import Settings
    from gristmill.tasks.callbacks.queries import FinishedJob

LARGEST: Final = 256 * 1024  # bytes: the API accepts as much
# The fields of GET /api/v1/jobs/{id} for a finished job. Children are absent: they may be enqueued after the callback.
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
    session: Session, finished: FinishedJob, *, event: str, ended_at: datetime, attempt: int, settings: Settings
) -> bytes:
    """Return the body, as JSON.

    A job that was redriven meanwhile is shown as it was at the reported end, as far as that is recorded.

    Args:
        session: the session of the caller.
        finished: the job.
        event: such as `job.dead`.
        ended_at: the time of the reported end.
        attempt: the number of the last attempt at that time.
        settings: for the URL that shows the whole job.
    """
    shown = show_job(session, finished.job, payloads=finished.producer.sees_payloads)
    data = {name: shown[name] for name in SHOWN}
    if finished.job.finished_at != ended_at:
        data |= {"result": None, "attempts": [each for each in data["attempts"] if each["attempt"] <= attempt]}
    data |= {"state": event.removeprefix("job."), "attempt": attempt, "finished_at": ended_at}
    if event == "job.dead" and finished.letter is not None:
        data["error"] = _show_error(finished.letter)
    message = {"type": event, "timestamp": ended_at, "data": data}
    return _bounded(message, f"{settings.public_url.rstrip('/')}/api/v1/jobs/{finished.job.id}")


def _show_error(letter: DeadLetter) -> dict[str, str | None]:
    return {
        "reason": letter.reason,
        "fingerprint": letter.fingerprint,
        "type": letter.error_type,
        "code": letter.error_code,
        "message": letter.error_message,
    }


def _bounded(message: dict[str, Any], url: str) -> bytes:
    """Serialize `message`; leave out fields that make it too large, with a hint at the URL that shows them."""
    body = orjson.dumps(message, option=orjson.OPT_UTC_Z)
    data, left_out = message["data"], []
    for name in _LEFT_OUT_FIRST:
        if len(body) <= LARGEST:
            break
        left_out.append(name)
        data[name] = None
        data["left_out"] = {"fields": left_out, "hint": f"too large for a callback: GET {url} shows all of it"}
        body = orjson.dumps(message, option=orjson.OPT_UTC_Z)
    return body
