"""Jobs and their events, as the API returns them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

JOBS: Final = "/api/v1/jobs"
FINAL: Final = frozenset({"succeeded", "dead", "cancelled"})
SPOOLED: Final = "spooled"  # a state of the client: in the local spool, not accepted by the API yet


@dataclass(frozen=True)
class Job:
    """The state of a job at the time of the request.

    Attributes:
        id: None while the job is in the local spool.
        task: the name of the task.
        state: scheduled, queued, running, retrying; succeeded, dead, cancelled; or spooled.
        idempotency_key: the key under which it was posted (from `post` and `post_many`).
        duplicate: no job was made, because this live job has the same `unique_key`.
        queue: the queue of its task.
        run_at: the time from which it may run.
        created_at: the time at which it was accepted.
        result: the value that its task returned.
        waiting_for: the reason why the job has not ended, in one sentence (from `get` and `wait`).
        attempts: the attempts that have begun, oldest first (from `get` and `wait`).
        data: the whole answer of the API.
    """

    id: str | None
    task: str
    state: str
    idempotency_key: str | None = None
    duplicate: bool = False
    queue: str | None = None
    run_at: datetime | None = None
    created_at: datetime | None = None
    result: Any = None
    waiting_for: str | None = None
    attempts: list[dict[str, Any]] = field(default_factory=list, repr=False)
    data: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def has_ended(self) -> bool:
        """True when the state is final."""
        return self.state in FINAL

    @property
    def error(self) -> dict[str, Any] | None:
        """The error of the last attempt that failed."""
        errors = [attempt["error"] for attempt in self.attempts if attempt.get("error")]
        return errors[-1] if errors else None

    @classmethod
    def read(cls, data: Mapping[str, Any], *, idempotency_key: str | None = None) -> Job:
        """Create a job from the JSON of the API."""
        return cls(
            id=str(data["id"]),
            task=str(data["task"]),
            state=str(data["state"]),
            idempotency_key=idempotency_key,
            duplicate=bool(data.get("duplicate")),
            queue=data.get("queue"),
            run_at=_time(data.get("run_at")),
            created_at=_time(data.get("created_at")),
            result=data.get("result"),
            waiting_for=data.get("waiting_for"),
            attempts=list(data.get("attempts") or ()),
            data=data,
        )


@dataclass(frozen=True)
class Event:
    """One event in the life of a job.

    Attributes:
        id: the position of the event, after which a stream can be resumed.
        type: `job.accepted`, `attempt.started`, `job.succeeded`, …
        data: its JSON, in most cases with the `state` of the job.
    """

    id: str | None
    type: str
    data: Any


def _time(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)
