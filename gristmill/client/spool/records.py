"""The jobs of a spool, as its users and its own steps see them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal

from gristmill.client.errors import ClientError
from gristmill.client.jobs import Job

SpoolState = Literal["spooled", "flushed", "refused"]
KEY_LIVES: Final = 23 * 3600.0  # seconds after its first try in which a job may be sent again: the API keeps keys 24 h


@dataclass(frozen=True)
class Spooled:
    """A job that is or was in the spool.

    Attributes:
        key: its idempotency key, as in `Job.idempotency_key`.
        task: the name of its task.
        state: `spooled` (to be sent), `flushed` (accepted by the API) or `refused`.
        spooled_at: the time at which it was stored.
        ended_at: the time at which it was accepted or refused.
        job: the answer of the API, with the id, when it was accepted.
        error: the reason when it was refused: an `ApiError`, or an `UnsureError`.
        body: the JSON of the job until it is accepted, to correct it and post it again.
    """

    key: str
    task: str
    state: SpoolState
    spooled_at: datetime
    ended_at: datetime | None = None
    job: Job | None = None
    error: ClientError | None = None
    body: dict[str, Any] | None = None


@dataclass(frozen=True)
class Flushed:
    """The result of a flush.

    Attributes:
        sent: jobs that were accepted.
        refused: jobs that were refused, and are set aside.
        left: jobs that are still to be sent.
        error: the reason why some are left; None when another program is sending them.
    """

    sent: int
    refused: int
    left: int
    error: ClientError | None = None


@dataclass(frozen=True)
class Entry:
    """A job that is being sent."""

    number: int
    key: str
    body: dict[str, Any]
    tried_at: float | None


@dataclass(frozen=True)
class Batch:
    """The oldest jobs of a spool, to be sent now; and the number of those that were set aside as unsure."""

    entries: list[Entry]
    unsure: int
