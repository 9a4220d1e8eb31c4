"""Results of the test kit: jobs that are enqueued, jobs that were executed, and its error."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from gristmill.shared.errors import GristmillError


class MillError(GristmillError):
    """The test kit cannot do what was asked; the message says why."""

    code = "TEST_KIT_001"


@dataclass(frozen=True, slots=True, kw_only=True)
class EnqueuedJob:
    """A job that has not ended. Secret arguments are sealed, as they are in the database.

    Attributes:
        run_at: the time at which it is due.
    """

    id: UUID
    task: str
    queue: str
    state: str
    args: dict[str, Any]
    run_at: datetime
    tags: list[str]
    unique_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """A job after its attempt, in whatever state that has left it: `retrying`, too.

    Attributes:
        error: the message of its last attempt that did not succeed.
    """

    id: UUID
    task: str
    state: str
    attempt: int
    result: Any
    error: str | None
