"""Describe an error for storage: bounded, free of secrets, with a fingerprint that groups equal failures."""

from __future__ import annotations

import hashlib
import re
import traceback as tracebacks
from dataclasses import dataclass
from typing import Final

from gristmill.shared.base.redaction import hide_assigned_secrets
from gristmill.shared.errors import GristmillError, PermanentError, TransientError

MESSAGE_LIMIT: Final = 2_000  # characters: a server's whole reply, not a page of it
TRACEBACK_LIMIT: Final = 16_000  # characters; the innermost frames are kept, since they say most
_VARIABLE: Final = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8}-[0-9a-f-]{27}|\d+|'[^']*'|\"[^\"]*\"", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """The description of one failed attempt, fit to be stored and shown."""

    type: str
    code: str
    message: str
    traceback: str
    fingerprint: str


def describe(error: BaseException, *, task: str) -> Failure:
    """Describe `error` for storage. Line numbers, ids, counts and quoted values do not change the fingerprint."""
    error_type = type(error).__qualname__
    message = _clean(_text_of(error)[: 2 * MESSAGE_LIMIT])[:MESSAGE_LIMIT]
    frames = tracebacks.extract_tb(error.__traceback__)
    places = [f"{frame.filename.rsplit('/', 1)[-1]}:{frame.name}" for frame in frames[-3:]]
    trace = "".join(tracebacks.format_exception(error))
    code = error.error_code if isinstance(error, (TransientError, PermanentError)) else _code_of(error)
    return Failure(
        type=error_type,
        code=code,
        message=message,
        traceback=_clean(trace[-2 * TRACEBACK_LIMIT :])[-TRACEBACK_LIMIT:],
        fingerprint=fingerprint(task, error_type, without_variables(message), *places),
    )


def _text_of(error: BaseException) -> str:
    """Return the text of an error. One whose `__str__` raises must not hide that its job has failed."""
    try:
        return str(error)
    except Exception as problem:  # noqa: BLE001  anybody may have written the error's class
        return f"its text cannot be shown: {type(problem).__qualname__} in __str__"


def _code_of(error: BaseException) -> str:
    """Return the code of a platform error, the type of any other: the `code` of a library means something else."""
    return error.code if isinstance(error, GristmillError) else type(error).__qualname__


def without_variables(text: str) -> str:
    """Return `text` without the parts that differ between equal failures: ids, counts, quoted values."""
    return _VARIABLE.sub("?", text)


def fingerprint(*parts: str) -> str:
    """Return 16 hexadecimal digits that are the same for the same parts (SHA-256, cut)."""
    return hashlib.sha256("\x00".join(parts).encode(errors="replace")).hexdigest()[:16]


def _clean(text: str) -> str:
    """Mask what looks like a secret, and replace what Postgres cannot store (NUL, lone surrogates).

    Callers pass twice the length that is kept, so that a secret at the edge is recognized by the text around it.
    """
    shown = hide_assigned_secrets(text)
    return shown.replace("\x00", "\\x00").encode(errors="replace").decode()
