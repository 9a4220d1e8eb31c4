"""People who have signed in: what their roles let them do, and how a session begins, goes on and ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

import structlog
from uuid_utils.compat import uuid7

from gristmill.shared.base.principal import ADMIN, OPERATOR, Principal
from gristmill.shared.base.sealing import hash_token
from gristmill.shared.people import queries_sessions as sessions
from gristmill.shared.people.tokens import make_refresh_token, read_refresh_token, write_access_token

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.people.queries_sessions import Account, Begun
    from gristmill.shared.people.tokens import Claims
    from gristmill.shared.settings import Settings

# A member may use people's own routes, which need no scope.
SCOPES_OF: Final = {"member": frozenset[str](), "operator": frozenset({OPERATOR}), "admin": frozenset({ADMIN})}

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Person(Principal):
    """Somebody who shows an access token."""

    user_id: UUID
    session_id: UUID
    role: str

    @property
    def id(self) -> UUID:
        """The user's: that of no producer, so a member sees nobody's jobs."""
        return self.user_id

    @property
    def credential(self) -> str:
        """Their role."""
        return f"The role {self.role}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tokens:
    """The tokens of somebody who has just signed in or refreshed. Shown once, stored nowhere."""

    access_token: str = field(repr=False)
    refresh_token: str = field(repr=False)


def find_person(session: Session, claims: Claims) -> Person | None:
    """Return who an access token was made for.

    None when it is over, its session has ended, or they are not active any more; the database's clock decides.
    """
    found = sessions.find_user(
        session, session_id=claims.session_id, user_id=claims.user_id, token_ends_at=claims.ends_at
    )
    if found is None:
        return None
    return Person(
        name=f"user:{found.email}",
        scopes=SCOPES_OF[found.role],
        user_id=claims.user_id,
        session_id=claims.session_id,
        role=found.role,
    )


def begin_session(session: Session, account: Account, settings: Settings) -> Tokens | None:
    """Begin a session of somebody whose password was right; None when they may not sign in (any more)."""
    session_id = uuid7()
    refresh_token = make_refresh_token(settings.secret_key, session_id)
    begun = sessions.insert_session(
        session,
        account,
        session_id=session_id,
        refresh_hash=hash_token(refresh_token),
        valid_for=timedelta(days=settings.refresh_token_days),
    )
    return _tokens(settings, session_id, begun, refresh_token)


def renew_session(session: Session, refresh_token: str, settings: Settings) -> Tokens | None:
    """Replace a session's refresh token; the caller commits, also when there is nothing to give.

    A token that was replaced before is in two hands, and one of them stole it: its session ends.

    Returns:
        None when the token is not ours, its session has ended or ends now, or its user is not active.
    """
    session_id = read_refresh_token(settings.secret_key, refresh_token)
    if session_id is None:
        return None
    shown, successor = hash_token(refresh_token), make_refresh_token(settings.secret_key, session_id)
    begun = sessions.rotate_session(
        session,
        session_id,
        old_hash=shown,
        new_hash=hash_token(successor),
        valid_for=timedelta(days=settings.refresh_token_days),
    )
    if begun is None and sessions.revoke_reused(session, session_id, shown_hash=shown):
        log.warning("session.reused", session_id=str(session_id))
    return _tokens(settings, session_id, begun, successor)


def end_session(session: Session, person: Person) -> None:
    """End a session, for all of its tokens, within seconds everywhere. Repeating is harmless."""
    sessions.revoke_session(session, person.session_id)


def _tokens(settings: Settings, session_id: UUID, begun: Begun | None, refresh_token: str) -> Tokens | None:
    if begun is None:
        return None
    access_token = write_access_token(
        settings.secret_key,
        user_id=begun.user_id,
        session_id=session_id,
        issued_at=begun.at,
        seconds=settings.access_token_seconds,
    )
    return Tokens(access_token=access_token, refresh_token=refresh_token)
