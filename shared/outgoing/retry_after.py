"""Read the Retry-After header (RFC 9110, 10.2.3): seconds, or a date."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST: Final = timedelta(hours=1)  # that another server may make us wait


def read_retry_after(value: str | None, now: datetime | None = None) -> timedelta | None:
    """Return the wait that the header asks for, at most an hour; None without one, or for one in another form."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(timedelta(seconds=int(text[:9])), LONGEST)
    try:
        at = parsedate_to_datetime(text)
    except (ValueError, OverflowError):  # no date, or one that does not exist
        return None
    wait = at.replace(tzinfo=at.tzinfo or UTC) - (now or datetime.now(UTC))
    return min(max(wait, timedelta(0)), LONGEST)
