"""Opaque cursors: where a list goes on. Ids sort by time, so the last id of a page is all there is to know."""

from __future__ import annotations

import base64
import binascii
from datetime import datetime
from typing import Final
from uuid import UUID

from marshmallow import ValidationError

from gristmill.shared.dead_letters.queries_groups import Place

_NOT_OURS: Final = "Not a cursor of this list: take next_cursor of the page before, or leave it out."


def write_cursor(last: UUID) -> str:
    """Return the cursor of the page after `last`."""
    return base64.urlsafe_b64encode(last.bytes).decode().rstrip("=")


def read_cursor(cursor: str) -> UUID:
    """Return the id after which `cursor` goes on.

    Raises:
        ValidationError: it was not made by `write_cursor`.
    """
    try:
        last = UUID(bytes=base64.b64decode(cursor.encode() + b"==", altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        last = None
    if last is None or write_cursor(last) != cursor:
        raise ValidationError(_NOT_OURS)
    return last


def write_text_cursor(last: str) -> str:
    """Return the cursor of the page after the entry that is called `last`, in a list by names or times."""
    return base64.urlsafe_b64encode(last.encode()).decode().rstrip("=")


def read_text_cursor(cursor: str) -> str:
    """Return the name after which `cursor` goes on.

    Raises:
        ValidationError: it was not made by `write_text_cursor`.
    """
    try:
        last = base64.b64decode(cursor.encode() + b"=" * (-len(cursor) % 4), altchars=b"-_", validate=True).decode()
    except (ValueError, binascii.Error):
        last = None
    if not last or "\0" in last or write_text_cursor(last) != cursor:
        raise ValidationError(_NOT_OURS)
    return last


def write_place(last: Place) -> str:
    """Return the cursor of the page after the group that stands at `last`."""
    return write_text_cursor(f"{last.count} {last.last_seen.isoformat()} {last.sample}")


def read_place(cursor: str) -> Place:
    """Return where a list of groups goes on.

    Raises:
        ValidationError: it was not made by `write_place`.
    """
    try:
        count, last_seen, sample = read_text_cursor(cursor).split(" ")
        place = Place(int(count), datetime.fromisoformat(last_seen), UUID(sample))
    except ValueError:
        raise ValidationError(_NOT_OURS) from None
    if write_place(place) != cursor or place.last_seen.tzinfo is None or not 0 < place.count < 2**63:
        raise ValidationError(_NOT_OURS)
    return place
