"""List the events of a job, derived from its row and its attempts; no event is stored."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import IntEnum
from typing import TYPE_CHECKING, Any, Final, Self

from gristmill.shared.errors import InvalidError
from gristmill.shared.operating.job_details import show_attempts
from gristmill.shared.states import FINAL, AttemptOutcome, State

if TYPE_CHECKING:
    from gristmill.shared.jobs.models import Attempt, Job


KINDS: Final = [
    "job.accepted",
    "attempt.started",
    *(f"attempt.{outcome}" for outcome in AttemptOutcome),
    *(f"job.{state}" for state in sorted(FINAL)),
]
ID_PATTERN: Final = "[0-9]{1,9}-[0-3]-[0-9]{1,15}"
_ID: Final = re.compile(ID_PATTERN)


class _Step(IntEnum):
    """The events around an attempt, in their order."""

    ACCEPTED = 0
    STARTED = 1
    PARTED = 2  # the attempt has ended, the job has not
    ENDED = 3


@dataclass(frozen=True, slots=True, order=True)
class EventId:
    """The position of an event among those of its job: `attempt-step-milliseconds`.

    The time distinguishes two ends without an attempt between them, as of a job that was redriven and then expired.
    """

    attempt: int
    step: int
    at: int

    @classmethod
    def read(cls, text: str) -> Self:
        """Return the id that `text` encodes.

        Raises:
            InvalidError: `str()` did not make it.
        """
        if not _ID.fullmatch(text):
            msg = "Last-Event-ID: send the id of an event of this stream, unchanged"
            raise InvalidError(msg, {"Last-Event-ID": ["Not the id of an event."]})
        return cls(*map(int, text.split("-")))

    def __str__(self) -> str:
        return f"{self.attempt}-{self.step}-{self.at}"

    def includes(self, other: EventId) -> bool:
        """Return whether a client that has received this event has received `other` too."""
        mine, its = (self.attempt, self.step), (other.attempt, other.step)
        return its < mine or (its == mine and self.at >= other.at)


@dataclass(frozen=True, slots=True)
class Event:
    """One event of a job."""

    id: EventId
    kind: str
    data: dict[str, Any]


def list_events(job: Job, history: Sequence[Attempt], *, payloads: bool, tracebacks: bool) -> list[Event]:
    """Return the events of `job` so far, oldest first.

    Args:
        job: the job.
        history: its attempts that did not succeed, oldest first.
        payloads: whether to show its result.
        tracebacks: whether to show where in the code an attempt failed.
    """
    begun = State.SCHEDULED if job.run_at > job.created_at and not job.attempt else State.QUEUED
    events = [_event(job, 0, _Step.ACCEPTED, job.created_at, "job.accepted", state=str(begun))]
    for shown in show_attempts(job, history, tracebacks=tracebacks):
        events += _attempt(job, shown)
    if job.state in FINAL and job.finished_at is not None:
        ended: dict[str, Any] = {"state": str(job.state)}
        if job.state == State.SUCCEEDED:
            ended["result"] = job.result if payloads else None
        elif history:
            ended["error"] = show_attempts(job, history[-1:], tracebacks=tracebacks)[0]["error"]
        events.append(_event(job, job.attempt, _Step.ENDED, job.finished_at, f"job.{job.state}", **ended))
    return events


def _attempt(job: Job, shown: dict[str, Any]) -> Iterator[Event]:
    number, outcome = shown["attempt"], shown["outcome"]
    if shown["started_at"] is not None:
        yield _event(
            job, number, _Step.STARTED, shown["started_at"], "attempt.started", state="running", worker=shown["worker"]
        )
    is_last = number == job.attempt
    if outcome in (State.RUNNING, State.SUCCEEDED) or (is_last and job.state in FINAL):
        return  # the attempt runs, or its end is the end of the job
    more: dict[str, Any] = {"error": shown["error"]}
    if is_last:
        more |= {"state": str(job.state), "run_at": job.run_at}
    yield _event(job, number, _Step.PARTED, shown["ended_at"], f"attempt.{outcome}", **more)


def _event(job: Job, attempt: int, step: _Step, at: datetime, kind: str, **more: Any) -> Event:
    data = {"job_id": job.id, "task": job.task, "attempt": attempt, "at": at, **more}
    return Event(EventId(attempt, step, int(at.timestamp() * 1000)), kind, data)
