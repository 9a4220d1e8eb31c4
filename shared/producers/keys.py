"""API keys `gm_<id>_<secret>`: create, parse and compare them, and the principal that a valid one authenticates."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from gristmill.shared.base.principal import Principal

SECRET_BYTES: Final = 32  # 256 random bits: a plain SHA-256 of them cannot be reversed, so no slow hash is needed
_ID_BYTES: Final = 6
_ID: Final = re.compile(r"[0-9a-f]{12}")
_TOKEN: Final = re.compile(r"gm_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Key:
    """One API key. Only the id may be shown; the secret is known to the producer alone."""

    id: str
    secret: str

    @property
    def token(self) -> str:
        """The text that the producer sends: `Authorization: Bearer <token>`."""
        return f"gm_{self.id}_{self.secret}"

    @property
    def hash(self) -> bytes:
        """The stored form of the secret (SHA-256)."""
        return hashlib.sha256(self.secret.encode()).digest()

    def matches(self, secret_hash: bytes) -> bool:
        """Compare in constant time: the duration does not reveal where the two differ."""
        return hmac.compare_digest(self.hash, secret_hash)

    def __repr__(self) -> str:
        """Show the public half."""
        return f"Key({self.id!r}, ***)"


def new_key() -> Key:
    """Return a new random key. Stores nothing."""
    return Key(secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(SECRET_BYTES))


def is_key_id(text: str) -> bool:
    """Return whether `text` has the form of a key's public half."""
    return _ID.fullmatch(text) is not None


def read_token(token: str) -> Key | None:
    """Return the key that `token` encodes, or None when it has another form."""
    match = _TOKEN.fullmatch(token)
    return Key(match[1], match[2]) if match else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ProducerPrincipal(Principal):
    """A producer that has authenticated with one of its keys.

    Attributes:
        quota: the most jobs it may have in flight; None for no limit.
        rate: requests a second that it may make; None for no limit.
        burst: requests that it may make at once; None for as many as `rate` allows in one second.
    """

    producer_id: UUID
    key_id: str
    quota: int | None = None
    rate: float | None = None
    burst: int | None = None

    @property
    def id(self) -> UUID:
        """The producer's id."""
        return self.producer_id

    @property
    def credential(self) -> str:
        """The key, by its public half."""
        return f"The key {self.key_id}"
