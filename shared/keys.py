"""API keys `gm_<id>_<secret>`: how they are made, read and compared, and who stands behind one."""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from dataclasses import dataclass
from typing import Final
from uuid import UUID

ADMIN: Final = "admin"
SCOPES: Final = frozenset(
    {
        "jobs:read",
        "jobs:write",
        "dead_letters:write",
        "queues:read",
        "queues:write",
        "schedules:read",
        "schedules:write",
        ADMIN,
    }
)
SECRET_BYTES: Final = 32  # 256 random bit: a plain SHA-256 of it cannot be reversed, so that no slow hash is needed
_ID_BYTES: Final = 6
_TOKEN: Final = re.compile(r"gm_([0-9a-f]{12})_([A-Za-z0-9_-]{43})")


@dataclass(frozen=True, slots=True)
class Key:
    """One API key. Only its id may be shown; the secret is known to the producer alone."""

    id: str
    secret: str

    @property
    def token(self) -> str:
        """What the producer sends: `Authorization: Bearer <token>`."""
        return f"gm_{self.id}_{self.secret}"

    @property
    def hash(self) -> bytes:
        """What is stored of the secret (SHA-256)."""
        return hashlib.sha256(self.secret.encode()).digest()

    def matches(self, secret_hash: bytes) -> bool:
        """Compare in a time that does not depend on where the two differ."""
        return hmac.compare_digest(self.hash, secret_hash)

    def __repr__(self) -> str:
        """Show the public half."""
        return f"Key({self.id!r}, ***)"


def new_key() -> Key:
    """Return a key that nobody has yet."""
    return Key(secrets.token_hex(_ID_BYTES), secrets.token_urlsafe(SECRET_BYTES))


def read_token(token: str) -> Key | None:
    """Return the key that `token` is written as, None when it is not of our form."""
    match = _TOKEN.fullmatch(token)
    return Key(match[1], match[2]) if match else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """Who asks: a producer with what it may do.

    Attributes:
        allowed_tasks: None when it may post every task.
        quota: the most jobs it may have in flight; None when nothing limits them.
    """

    producer_id: UUID
    name: str
    key_id: str
    scopes: frozenset[str]
    allowed_tasks: frozenset[str] | None = None
    quota: int | None = None

    @property
    def is_admin(self) -> bool:
        """Whether it may do everything and sees what is everybody's."""
        return ADMIN in self.scopes

    @property
    def sees(self) -> UUID | None:
        """Whose jobs it sees: its own, or (None) everybody's."""
        return None if self.is_admin else self.producer_id

    def has_one_of(self, scopes: frozenset[str]) -> bool:
        """Say whether it has one of `scopes`; admin has all of them."""
        return self.is_admin or not self.scopes.isdisjoint(scopes)

    def may_post(self, task: str) -> bool:
        """Say whether it may post jobs of `task`."""
        return self.allowed_tasks is None or task in self.allowed_tasks
