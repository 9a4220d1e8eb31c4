"""Strict fields of requests: they refuse numbers in quotes, 1 for true, NUL, and URLs with passwords."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlsplit

from marshmallow import ValidationError, fields
from marshmallow.validate import ContainsNoneOf, Length

from gristmill.shared.filters.kinds import STORABLE

LONGEST_URL: Final = 2_048  # characters; proxies and browsers pass on no more
FIRST: Final = datetime(1, 1, 1, tzinfo=UTC)  # bounds of the calendar, of Python and of the Postgres driver
LAST: Final = datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC)
_WITHOUT_NUL: Final = ContainsNoneOf(["\0"], error="May not hold the character NUL.")


def short_text(longest: int, **options: Any) -> fields.String:
    """Return a field for a text of 1 to `longest` characters."""
    metadata = {"pattern": STORABLE, **options.pop("metadata", {})}
    return fields.String(validate=[Length(1, longest), _WITHOUT_NUL], metadata=metadata, **options)


class Seconds(fields.Float):
    """A number of seconds; not a text that looks like one."""

    def _validated(self, value: Any) -> float:
        if isinstance(value, str):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class Whole(fields.Integer):
    """A whole number, also one written as 45.0 as JSON Schema has it; not a text that looks like one."""

    plain_type = int  # for `gristmill.shared.base.plain_values`

    def _validated(self, value: Any) -> int:
        if isinstance(value, str) or (isinstance(value, float) and not value.is_integer()):
            raise self.make_error("invalid", input=value)
        return super()._validated(value)


class Flag(fields.Boolean):
    """True or false; not 1, "yes" or "off"."""

    def __init__(self, **options: Any) -> None:
        super().__init__(truthy={True}, falsy={False}, **options)

    def _deserialize(self, value: Any, *_args: Any, **_kwargs: Any) -> bool:
        if not isinstance(value, bool):  # 1 and 0 are equal to them
            raise self.make_error("invalid", input=value)
        return value


class Time(fields.AwareDateTime):
    """A time with its offset (RFC 3339), read as UTC: Postgres knows no offset of 16 hours or more.

    It is dumped as it is: the JSON provider writes UTC with a Z.
    """

    def _serialize(self, value: Any, *_args: Any, **_kwargs: Any) -> Any:
        return value

    def _deserialize(self, value: Any, attr: str | None, data: Any, **kwargs: Any) -> datetime:
        if not isinstance(value, str):
            raise self.make_error("invalid", input=value, obj_type="datetime")
        try:
            return _in_utc(super()._deserialize(value, attr, data, **kwargs))
        except (OverflowError, ValueError) as error:
            if isinstance(error, ValidationError):
                raise
            raise self.make_error("invalid", input=value, obj_type="datetime") from None


def _in_utc(time: datetime) -> datetime:
    """Return the same time in UTC; beyond the bounds of the calendar, the bound."""
    try:
        return time.astimezone(UTC)
    except OverflowError:
        return LAST if time.year == LAST.year else FIRST


def http_url(value: str) -> None:
    """Refuse what is not an http or https URL, and one that holds a password.

    Raises:
        ValidationError: says which.
    """
    try:
        url = urlsplit(value)
        sound = url.scheme in ("http", "https") and bool(url.hostname) and url.port != 0
        login = "@" in url.netloc
    except ValueError:
        sound = login = False
    if not sound or any(character <= " " or character == "\x7f" for character in value) or len(value) > LONGEST_URL:
        msg = f"Not a URL that begins with http:// or https:// and has at most {LONGEST_URL} characters."
        raise ValidationError(msg)
    if login:
        raise ValidationError("May not hold a user or password: it is stored readable. Put a token in the path.")
