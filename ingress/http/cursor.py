"""Encode and decode the opaque cursors of paged lists."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Generic, TypeVar
from uuid import UUID

from marshmallow import ValidationError

from gristmill.shared.dead_letters.queries_groups import GroupPosition

Key = TypeVar("Key")

_INVALID: Final = "Not a cursor of this list: use next_cursor of the previous page, or leave it out."
_BASE64: Final = "^[A-Za-z0-9_-]+$"


@dataclass(frozen=True, slots=True)
class Cursor(Generic[Key]):
    """The codec of one kind of cursor: the sort key of the last entry of a page, in base64url.

    Attributes:
        encode: returns the key as bytes.
        decode: returns the key that bytes stand for; raises ValueError or OverflowError when they stand for none.
        pattern: the regular expression that the OpenAPI document gives for the cursor.
    """

    encode: Callable[[Key], bytes]
    decode: Callable[[bytes], Key]
    pattern: str = _BASE64

    def write(self, key: Key) -> str:
        """Return the cursor of the page after the entry with `key`."""
        return base64.urlsafe_b64encode(self.encode(key)).decode().rstrip("=")

    def read(self, cursor: str) -> Key:
        """Return the key of the entry after which the page of `cursor` begins.

        Raises:
            ValidationError: `write` did not make it.
        """
        try:
            padded = cursor.encode() + b"=" * (-len(cursor) % 4)
            key = self.decode(base64.b64decode(padded, altchars=b"-_", validate=True))
            if self.write(key) == cursor:
                return key
        except (ValueError, OverflowError, binascii.Error):
            pass
        raise ValidationError(_INVALID)


def _decode_name(raw: bytes) -> str:
    name = raw.decode()
    if not name or "\0" in name:
        raise ValueError
    return name


def _decode_time(raw: bytes) -> datetime:
    time = datetime.fromisoformat(raw.decode())
    if time.tzinfo is None:
        raise ValueError
    return time


def _encode_time(time: datetime) -> bytes:
    return time.astimezone(UTC).isoformat().encode()


def _encode_group(group: GroupPosition) -> bytes:
    return f"{group.count} {group.last_seen.isoformat()} {group.sample}".encode()


def _decode_group(raw: bytes) -> GroupPosition:
    count, last_seen, sample = raw.decode().split(" ")
    group = GroupPosition(int(count), _decode_time(last_seen.encode()), UUID(sample))
    if not 0 < group.count < 2**63:
        raise ValueError
    return group


# Ids sort by time: 16 bytes are 21 characters of base64 and one that holds two bits.
BY_ID: Final[Cursor[UUID]] = Cursor(lambda key: key.bytes, lambda raw: UUID(bytes=raw), "^[A-Za-z0-9_-]{21}[AQgw]$")
BY_NAME: Final[Cursor[str]] = Cursor(str.encode, _decode_name)
BY_TIME: Final[Cursor[datetime]] = Cursor(_encode_time, _decode_time)
BY_GROUP: Final[Cursor[GroupPosition]] = Cursor(_encode_group, _decode_group)
