"""When a job may run and expire: what is over, or too far away to be meant."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from gristmill.shared.errors import InvalidError

FURTHEST: Final = timedelta(days=366)  # a year, leap years too; what lies beyond is rather a wrong unit than a plan


def check_times(run_at: datetime | None, delay: float | None, expires_at: datetime | None) -> None:
    """Refuse a job that could only expire, or that is too far away. Only a sanity check: Postgres' clock decides.

    It is no part of the schema, since it changes with the time: what it refuses may be the replay of what it took.

    Raises:
        InvalidError: names the wrong field.
    """
    if run_at is None and expires_at is None:
        return
    now = datetime.now(UTC)
    if run_at is not None and run_at > now + FURTHEST:
        raise _refusal("run_at", "More than a year ahead; use a schedule, or post it later.")
    if expires_at is None:
        return
    starts = max(run_at or now, now) + timedelta(seconds=delay or 0)
    if expires_at <= starts:
        raise _refusal("expires_at", "Before the job may run (run_at, or now): it could only expire.")
    if expires_at > starts + FURTHEST:
        raise _refusal("expires_at", "More than a year after the job may run; leave it out.")


def _refusal(field: str, problem: str) -> InvalidError:
    return InvalidError("The request is not valid: details names each wrong field", {field: [problem]})
