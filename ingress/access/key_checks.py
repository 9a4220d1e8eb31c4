"""Check API keys and access tokens, and remember the verified ones for some seconds."""

from __future__ import annotations

import hashlib
import time
from typing import TYPE_CHECKING, Final

from gristmill.shared.people.sessions import Person, find_person
from gristmill.shared.people.tokens import read_access_token
from gristmill.shared.producers.check_key import find_producer_by_token
from gristmill.shared.producers.keys import read_token

if TYPE_CHECKING:
    from uuid import UUID

    from gristmill.shared.base.principal import Principal
    from gristmill.shared.database.connect import Database

REMEMBERED: Final = (
    5.0  # seconds for which a verified key is not checked again: a revoked one stops working within them
)
MOST_REMEMBERED: Final = 4_096  # keys; beyond it all are forgotten and checked again


class KeyChecks:
    """The checks of one process. Most requests bring a key verified seconds ago, and cost no query.

    Args:
        database: where keys and sessions are.
        people: whether there are accounts; without them no access token is valid.
        remembered: seconds for which a verified key is not checked again.
    """

    def __init__(self, database: Database, *, people: bool = True, remembered: float = REMEMBERED) -> None:
        self._database = database
        self._people = people
        self._remembered = remembered
        self._known: dict[bytes, tuple[float, Principal]] = {}

    def find(self, token: str) -> Principal | None:
        """Return the principal that `token` authenticates, or None. Only verified tokens are remembered."""
        digest = hashlib.sha256(token.encode(errors="replace")).digest()
        known = self._known.get(digest)
        now = time.monotonic()
        if known is not None and known[0] > now:
            return known[1]
        principal = self._verify(token)
        if principal is None:
            self._known.pop(digest, None)
            return None
        if len(self._known) >= MOST_REMEMBERED:
            self._known.clear()
        self._known[digest] = (now + self._remembered, principal)
        return principal

    def forget_session(self, session_id: UUID) -> None:
        """Forget all tokens of a session, so that a sign-out takes effect in this process at once."""
        for digest, (_, principal) in list(self._known.items()):
            if isinstance(principal, Person) and principal.session_id == session_id:
                self._known.pop(digest, None)

    def has_signed(self, token: str) -> bool:
        """Return whether `token` is an access token of this platform, expired or not: then nobody is guessing keys."""
        return read_access_token(self._database.settings.secret_key, token) is not None

    def _verify(self, token: str) -> Principal | None:
        if read_token(token) is not None:
            with self._database.transaction() as session:
                return find_producer_by_token(session, token)
        claims = read_access_token(self._database.settings.secret_key, token) if self._people else None
        if claims is None:
            return None
        with self._database.transaction() as session:
            return find_person(session, claims)
