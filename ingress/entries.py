"""The entries of a batch, checked one by one with the same result as a job that is posted alone, and much faster."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from marshmallow import ValidationError

from ingress.idempotency import is_sound
from ingress.schemas.batches import BatchEntry
from ingress.schemas.jobs import LONGEST_TAG, LONGEST_TASK, LONGEST_UNIQUE_KEY, MOST_ATTEMPTS, MOST_TAGS, PRIORITIES
from shared.errors import InvalidError
from shared.task import flatten

_SCHEMA: Final = BatchEntry()
INVALID: Final = "The entry is not valid: details names each wrong field"


def load_entry(entry: Mapping[str, Any]) -> dict[str, Any]:
    """Return what the schema `BatchEntry` makes of `entry`.

    The schema itself takes most of the time of a batch, so plain fields with plain values are looked at directly;
    whatever is special or wrong is left to the schema, which also says what is wrong.

    Raises:
        InvalidError: `details` names each wrong field.
    """
    if "task" in entry and all(_is_plain(name, value) for name, value in entry.items()):
        return {"args": {}, "priority": "normal", "tags": [], **entry}
    try:
        loaded: dict[str, Any] = _SCHEMA.load(entry)
    except ValidationError as error:
        raise InvalidError(INVALID, flatten(error.messages, "") or {}) from None
    return loaded


def _is_plain(name: str, value: Any) -> bool:
    look = _PLAIN.get(name)
    return look is not None and look(value)


def _text(longest: int) -> Callable[[Any], bool]:
    return lambda value: isinstance(value, str) and 0 < len(value) <= longest and "\0" not in value


_tag: Final = _text(LONGEST_TAG)
# Of a field's good values these are some; the schema knows the others.
_PLAIN: Final[dict[str, Callable[[Any], bool]]] = {
    "task": _text(LONGEST_TASK),
    "args": lambda value: isinstance(value, dict),
    "priority": lambda value: isinstance(value, str) and value in PRIORITIES,
    "max_attempts": lambda value: type(value) is int and 0 < value <= MOST_ATTEMPTS,
    "unique_key": _text(LONGEST_UNIQUE_KEY),
    "tags": lambda value: isinstance(value, list) and len(value) <= MOST_TAGS and all(map(_tag, value)),
    "idempotency_key": lambda value: isinstance(value, str) and is_sound(value),
}
