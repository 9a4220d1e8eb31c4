"""Encode the arguments of a job as the JSON values that are stored."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Any, Final

import orjson

from gristmill.shared.errors import InvalidArgsError

_ESCAPED_NUL: Final = b"\\u0000"


def encode_args(task: str, args: Mapping[str, Any]) -> dict[str, Any]:
    """Return `args` as JSON values: UUIDs, times, enumerations and decimal numbers are text.

    Raises:
        InvalidArgsError: a value cannot be written as JSON, or Postgres cannot store it.
    """
    try:
        written = orjson.dumps(args, default=_encode)
    except orjson.JSONEncodeError as error:
        msg = f"The arguments of {task} cannot be written as JSON: {error}"
        raise InvalidArgsError(msg) from error
    plain: dict[str, Any] = orjson.loads(written)
    if _ESCAPED_NUL in written and (paths := list(_find_nul(plain, "args"))):
        msg = f"The arguments of {task} hold the character NUL, which Postgres cannot store; remove it"
        raise InvalidArgsError(msg, {path: ["holds the character NUL"] for path in paths})
    return plain


def _encode(value: Any) -> str:
    if isinstance(value, Decimal):
        return format(value, "f")  # without an exponent, as the contract of a decimal argument has it
    raise TypeError


def _find_nul(value: Any, path: str) -> Iterator[str]:
    if isinstance(value, str):
        if "\0" in value:
            yield path
    elif isinstance(value, dict):
        for name, inner in value.items():
            if "\0" in name:
                yield path
            yield from _find_nul(inner, f"{path}.{name}")
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _find_nul(inner, f"{path}.{number}")
