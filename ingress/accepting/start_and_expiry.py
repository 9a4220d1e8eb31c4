"""Check `run_at`, `delay` and `expires_at`: times that are past, or too far ahead to be intended."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from gristmill.shared.errors import InvalidError

FURTHEST: Final = timedelta(days=366)  # a leap year; a time beyond it is more likely a wrong unit than a plan


def check_start_and_expiry(run_at: datetime | None, delay: float | None, expires_at: datetime | None) -> None:
    """Refuse a job that could only expire, or that starts too far ahead. A sanity check: the clock of Postgres decides.

    It is not part of the schema, because its result depends on the time: a refused body may be a replay of an accepted
    one.

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
