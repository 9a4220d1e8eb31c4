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
OPERATOR: Final = "operator"
# What each scope lets its key do.
SCOPES: Final = {
    "jobs:read": "see its own jobs and dead letters",
    "jobs:write": "post, cancel and hurry its own jobs, and make the secret that signs their callbacks",
    "dead_letters:write": "redrive and discard its own dead letters",
    "queues:read": "see the queues",
    "queues:write": "pause and resume queues",
    "schedules:read": "see the schedules",
    "schedules:write": "change and run schedules",
    OPERATOR: "all of these, on everybody's jobs",
    ADMIN: "everything, producers and their keys too",
}
SECRET_BYTES: Final = 32  # 256 random bit: a plain SHA-256 of it cannot be reversed, so that no slow hash is needed
_ID_BYTES: Final = 6
_ID: Final = re.compile(r"[0-9a-f]{12}")
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


def is_key_id(text: str) -> bool:
    """Say whether `text` looks like the public half of a key."""
    return _ID.fullmatch(text) is not None


def read_token(token: str) -> Key | None:
    """Return the key that `token` is written as, None when it is not of our form."""
    match = _TOKEN.fullmatch(token)
    return Key(match[1], match[2]) if match else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks, and what they may, whatever they show for it.

    Attributes:
        name: as the audit log has it.
        allowed_tasks: the only ones it may have made jobs of; None is all.
        sees_payloads: whether it is shown arguments and results.
    """

    name: str
    scopes: frozenset[str]
    allowed_tasks: frozenset[str] | None = None
    sees_payloads: bool = True

    @property
    def id(self) -> UUID:
        """Whose it is what it makes."""
        raise NotImplementedError

    @property
    def credential(self) -> str:
        """What its rights come from, as the beginning of a sentence."""
        raise NotImplementedError

    @property
    def is_admin(self) -> bool:
        """Whether it may do everything."""
        return ADMIN in self.scopes

    @property
    def sees(self) -> UUID | None:
        """Whose jobs it sees: its own, or (None) everybody's."""
        return None if self.is_admin or OPERATOR in self.scopes else self.id

    def has_one_of(self, scopes: frozenset[str]) -> bool:
        """Say whether it has one of `scopes`; admin has all of them, operator all but admin."""
        if self.is_admin or not self.scopes.isdisjoint(scopes):
            return True
        return OPERATOR in self.scopes and scopes != {ADMIN}


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal(Asker):
    """A producer that shows one of its keys.

    Attributes:
        quota: the most jobs it may have in flight; None when nothing limits them.
        rate: requests a second that it may make; None when nothing limits them.
        burst: requests at once; None is what `rate` says of one second.
    """

    producer_id: UUID
    key_id: str
    quota: int | None = None
    rate: float | None = None
    burst: int | None = None

    @property
    def id(self) -> UUID:
        """The producer's."""
        return self.producer_id

    @property
    def credential(self) -> str:
        """Its key, by the public half."""
        return f"The key {self.key_id}"

    def may_post(self, task: str) -> bool:
        """Say whether it may post jobs of `task`."""
        return self.allowed_tasks is None or task in self.allowed_tasks
