"""Check idempotency keys, fingerprint the bodies sent with them, and find replays."""

from __future__ import annotations

import hashlib
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import orjson

from gristmill.shared.errors import InvalidError
from gristmill.shared.jobs.idempotency import find_stored_answers
from gristmill.shared.jobs.insert import replay

if TYPE_CHECKING:
    from collections.abc import Sequence
    from uuid import UUID

    from gristmill.ingress.services import Services
    from gristmill.shared.errors import IdempotencyConflictError
    from gristmill.shared.jobs.insert import Accepted

HEADER: Final = "Idempotency-Key"
LONGEST: Final = 255
PATTERN: Final = "^[!-~]+$"
WRONG_FORM: Final = "must be 1 to 255 visible ASCII characters, for instance a UUID"
_VISIBLE: Final = re.compile(r"[\x21-\x7e]{1,255}")


class RequestKey(NamedTuple):
    """An idempotency key with the fingerprint of the body that was sent with it."""

    name: str
    body: str


def is_valid_key(key: str) -> bool:
    """Return whether `key` has a valid form."""
    return _VISIBLE.fullmatch(key) is not None


def read_key(header: str | None) -> str | None:
    """Return the key of an `Idempotency-Key` header, or None without one.

    Raises:
        InvalidError: it has another form.
    """
    if header is not None and not is_valid_key(header):
        msg = f"{HEADER} {WRONG_FORM}"
        raise InvalidError(msg, {HEADER: [msg]})
    return header


def key_of_entry(key: str, number: int) -> str:
    """Return the key of one entry of a batch sent with `key`. It contains a space, so no client can send it."""
    return f"{key} {number}"


def fingerprint(body: Any) -> str:
    """Return the SHA-256 of a body; the order of its fields does not matter."""
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


def find_replays(
    services: Services, producer_id: UUID, keys: Sequence[RequestKey]
) -> list[Accepted | IdempotencyConflictError | None]:
    """Return the stored answer of each key, in order; None for a key that is new in the last 24 hours."""
    with services.database.transaction() as session:
        stored = find_stored_answers(session, {(producer_id, key.name) for key in keys})
    found = [stored.get((producer_id, key.name)) for key in keys]
    return [replay(one, key.name, key.body) if one else None for key, one in zip(keys, found, strict=True)]
