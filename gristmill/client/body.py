"""Build the JSON body of a job to post."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any


def job_body(
    task: str,
    args: Mapping[str, Any] | None = None,
    *,
    delay: float | timedelta | None = None,
    run_at: datetime | None = None,
    expires_at: datetime | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Return the JSON of `POST /api/v1/jobs`; options that are None are left out.

    Raises:
        ValueError: a time has no zone.
    """
    seconds = delay.total_seconds() if isinstance(delay, timedelta) else delay
    body = {"task": task, "args": dict(args or {}), "delay": seconds, **options}
    body |= {"run_at": run_at and plain(run_at), "expires_at": expires_at and plain(expires_at)}
    return {name: value for name, value in body.items() if value is not None}


def plain(value: Any) -> Any:
    """Return a value in the form for JSON or a query string.

    Raises:
        ValueError: a time has no zone.
    """
    if not isinstance(value, datetime):
        return value
    if value.tzinfo is None:
        msg = f"{value.isoformat()} has no time zone: write datetime(…, tzinfo=UTC)"
        raise ValueError(msg)
    return value.isoformat()
