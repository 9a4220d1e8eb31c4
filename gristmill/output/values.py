"""Values as people read them: ages, times, numbers, and texts that fit into one line."""

import json
import unicodedata
from datetime import UTC, datetime
from typing import Any, Final

_MINUTE: Final = 60
_HOUR: Final = 3_600
_DAY: Final = 86_400
_TWO_DAYS: Final = 2 * _DAY
_EXACT: Final = 10_000  # numbers below are written out
_UNITS: Final = ((1_000_000_000, "G"), (1_000_000, "M"), (1_000, "k"))
_TEN: Final = 10
CUT: Final = "…"


def duration(seconds: float) -> str:
    """Return a duration in its largest unit: `12s`, `3m`, `5h`, `12d`."""
    whole = int(seconds)
    if whole < _MINUTE:
        return f"{whole}s"
    if whole < _HOUR:
        return f"{whole // _MINUTE}m"
    return f"{whole // _HOUR}h" if whole < _TWO_DAYS else f"{whole // _DAY}d"


def age(time: str | None, now: datetime) -> str:
    """Return the time since, `3m`, or until, `in 3m`; an empty text for None."""
    if time is None:
        return ""
    seconds = (now - read_time(time)).total_seconds()
    return duration(seconds) if seconds > -1 else f"in {duration(-seconds)}"


def moment(time: str | None, now: datetime) -> str:
    """Return a time in UTC to the second, with its age."""
    if time is None:
        return ""
    told = age(time, now)
    return f"{stamp(time)} ({told})" if told.startswith("in ") else f"{stamp(time)} ({told} ago)"


def stamp(time: str | None) -> str:
    """Return a time in UTC to the second; an empty text for None."""
    return "" if time is None else read_time(time).strftime("%Y-%m-%d %H:%M:%SZ")


def read_time(time: str) -> datetime:
    """Return the time that the API wrote."""
    return datetime.fromisoformat(time).astimezone(UTC)


def number(value: int) -> str:
    """Return a number in at most five characters: `9999`, `10k`, `1.2M`."""
    if value < _EXACT:
        return str(value)
    size, unit = next(each for each in _UNITS if value >= each[0])
    parts = value / size
    return f"{int(parts * _TEN) / _TEN:g}{unit}" if parts < _TEN else f"{int(parts)}{unit}"


def text_of(value: Any) -> str:
    """Return any value as text: yes and no, JSON for lists and objects, an empty text for None."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (dict, list)):
        return json.dumps(value, ensure_ascii=False)
    return str(value)


def one_line(text: str) -> str:
    """Return a text without line breaks, and without characters that would move a terminal's cursor."""
    spaced = " ".join(text.split())
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in spaced)


def columns_of(text: str) -> int:
    """Return the columns that a text takes up: two for a wide letter, none for one that joins the letter before."""
    return len(text) if text.isascii() else sum(map(_columns, text))


def cut(text: str, width: int) -> str:
    """Return a text of at most so many columns, with an ellipsis where it was cut."""
    if columns_of(text) <= width:
        return text
    kept, used = "", 0
    for letter in text:
        used += _columns(letter)
        if used > width - 1:
            break
        kept += letter
    return f"{kept.rstrip()}{CUT}" if width > 0 else ""


def _columns(letter: str) -> int:
    if unicodedata.combining(letter) or unicodedata.category(letter) in ("Mn", "Me", "Cf"):
        return 0
    return 2 if unicodedata.east_asian_width(letter) in ("W", "F") else 1
