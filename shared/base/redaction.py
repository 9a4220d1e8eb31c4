"""Redact secrets from logs, error reports, stored failures and arguments that are shown."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

HIDDEN: Final = "***"
SHOWN_SEALED: Final = "[sealed]"  # how a secret argument is shown, whatever its value
_DEEPEST: Final = 6  # levels of a redacted value; deeper ones are shown as text
_SECRET_NAME: Final = re.compile(r"passw(or)?d|secret|token|authorization|api[_-]?key|cookie|credential", re.IGNORECASE)
# Bounded: an open `\w+` would try every length at every position, which takes minutes for a word of a megabyte.
_URL_PASSWORD: Final = re.compile(r"(\b\w{1,32}://[^:/@\s]*):[^@/\s]+@")
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}")
_API_KEY: Final = re.compile(r"\b(gm_[A-Za-z0-9-]+)_[\w-]{8,}")
_ASSIGNED: Final = re.compile(
    r"(?i)(password|passwd|secret|token|authorization|api[_-]?key)(['\"]?\s*[=:]\s*['\"]?)(?:bearer\s+)?[^\s'\",;&)]+"
)


def redact(values: Mapping[Any, Any]) -> dict[str, Any]:
    """Return `values` fit for a log: values whose names tell of a secret, and secrets in texts, are replaced."""
    return {str(name): _redact_value(str(name), value, _DEEPEST) for name, value in values.items()}


def hide_secrets(text: str) -> str:
    """Return `text` without passwords of URLs, bearer tokens and API keys."""
    return _API_KEY.sub(rf"\1_{HIDDEN}", _BEARER.sub(rf"\1 {HIDDEN}", _hide_url_passwords(text)))


def hide_assigned_secrets(text: str) -> str:
    """Return the text of an error without passwords of URLs, and without values such as that of `password=…`."""
    return _hide_url_passwords(_ASSIGNED.sub(rf"\1\2{HIDDEN}", text))


def hide_sealed(args: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """Return the arguments of a job fit to be shown: `[sealed]` in place of the values of `names`."""
    return {name: SHOWN_SEALED if name in names else value for name, value in args.items()}


def _hide_url_passwords(text: str) -> str:
    return _URL_PASSWORD.sub(rf"\1:{HIDDEN}@", text)


def _redact_value(name: str, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value  # `token_count=3` and `has_password=true` tell no secret
    if _SECRET_NAME.search(name):
        return HIDDEN
    if isinstance(value, Mapping) and depth:
        return {str(key): _redact_value(str(key), inner, depth - 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)) and depth:
        return [_redact_value("", inner, depth - 1) for inner in value]
    return hide_secrets(value if isinstance(value, str) else str(value))
