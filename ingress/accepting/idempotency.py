"""Idempotency keys: their form, the fingerprint of the body they came with, and what they stand for."""

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


class Key(NamedTuple):
    """An idempotency key with the fingerprint of the body that it came with."""

    name: str
    body: str


def is_sound(key: str) -> bool:
    """Say whether `key` has a form that we take."""
    return _VISIBLE.fullmatch(key) is not None


def read_key(header: str | None) -> str | None:
    """Return the key of an `Idempotency-Key` header, None without one.

    Raises:
        InvalidError: it has a form that we do not take.
    """
    if header is not None and not is_sound(header):
        msg = f"{HEADER} {WRONG_FORM}"
        raise InvalidError(msg, {HEADER: [msg]})
    return header


def key_of_entry(key: str, number: int) -> str:
    """Return the key of one entry of a batch that was sent under `key`; nobody can send it, since it holds a space."""
    return f"{key} {number}"


def fingerprint(body: Any) -> str:
    """Return what tells one body from another, whatever the order of its fields (SHA-256)."""
    return hashlib.sha256(orjson.dumps(body, option=orjson.OPT_SORT_KEYS)).hexdigest()


def find_replays(
    services: Services, producer_id: UUID, keys: Sequence[Key]
) -> list[Accepted | IdempotencyConflictError | None]:
    """Return for each of `keys`, in order, what it is answered with; None where it is new in the last 24 hours."""
    with services.database.transaction() as session:
        earlier = find_stored_answers(session, {(producer_id, key.name) for key in keys})
    found = [earlier.get((producer_id, key.name)) for key in keys]
    return [replay(one, key.name, key.body) if one else None for key, one in zip(keys, found, strict=True)]
