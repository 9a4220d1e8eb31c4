"""Sessions of people: begun with a right password, gone on with by their newest refresh token, ended and forgotten.

Each move is guarded, and tells whether it hit its row; only the database's clock says what is over.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from uuid import UUID

from sqlalchemy import text

from gristmill.shared.database.rows import row_as, rows_moved

if TYPE_CHECKING:
    from datetime import timedelta

    from sqlalchemy.orm import Session

_ACTIVE = "u.status = 'active' AND u.deleted_at IS NULL"
_NOW = "CAST(floor(extract(epoch FROM clock_timestamp())) AS bigint)"  # as JWT writes times

_FIND_ACCOUNT = text(
    "SELECT id, password_hash FROM gristmill.users WHERE lower(email) = lower(:email) AND deleted_at IS NULL"
)

_INSERT = text(
    f"""
    INSERT INTO gristmill.sessions (id, user_id, refresh_hash, expires_at)
    SELECT :id, u.id, :refresh_hash, clock_timestamp() + :valid_for
    FROM gristmill.users u WHERE u.id = :user_id AND u.password_hash = :password_hash AND {_ACTIVE}
    RETURNING user_id, {_NOW} AS at
    """
)

_ROTATE = text(
    f"""
    UPDATE gristmill.sessions s SET refresh_hash = :new_hash, expires_at = clock_timestamp() + :valid_for
    FROM gristmill.users u
    WHERE s.id = :id AND s.refresh_hash = :old_hash AND s.revoked_at IS NULL AND s.expires_at > clock_timestamp()
          AND u.id = s.user_id AND {_ACTIVE}
    RETURNING s.user_id, {_NOW} AS at
    """
)

_REVOKE_REUSED = text(
    """
    UPDATE gristmill.sessions SET revoked_at = clock_timestamp()
    WHERE id = :id AND refresh_hash <> :shown_hash AND revoked_at IS NULL
    """
)

_REVOKE = text("UPDATE gristmill.sessions SET revoked_at = clock_timestamp() WHERE id = :id AND revoked_at IS NULL")

_FIND_USER = text(
    f"""
    SELECT u.email, u.role FROM gristmill.sessions s JOIN gristmill.users u ON u.id = s.user_id
    WHERE s.id = :session_id AND u.id = :user_id AND s.revoked_at IS NULL AND s.expires_at > clock_timestamp()
          AND {_NOW} < :token_ends_at AND {_ACTIVE}
    """
)

# Sessions that have ended are harmless: they only take room.
_PRUNE = text(
    """
    DELETE FROM gristmill.sessions WHERE ctid = ANY(ARRAY(
        SELECT ctid FROM gristmill.sessions WHERE LEAST(expires_at, revoked_at) <= statement_timestamp()
        ORDER BY LEAST(expires_at, revoked_at) LIMIT :limit FOR UPDATE SKIP LOCKED))
    """
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """Somebody who may be about to sign in."""

    id: UUID
    password_hash: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Begun:
    """A session that was begun or renewed.

    Attributes:
        at: seconds since 1970, by the database's clock.
    """

    user_id: UUID
    at: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionUser:
    """The user of a session."""

    email: str
    role: str


def find_account(session: Session, email: str) -> Account | None:
    """Return the account of an address, without regard to case; None when nobody has it who is not deleted."""
    return row_as(Account, session.execute(_FIND_ACCOUNT, {"email": email}))


def insert_session(
    session: Session, account: Account, *, session_id: UUID, refresh_hash: bytes, valid_for: timedelta
) -> Begun | None:
    """Begin a session; None when the user is not active, is deleted, or has another password by now."""
    values = {"id": session_id, "user_id": account.id, "password_hash": account.password_hash}
    return _begun(session, _INSERT, values | {"refresh_hash": refresh_hash, "valid_for": valid_for})


def rotate_session(
    session: Session, session_id: UUID, *, old_hash: bytes, new_hash: bytes, valid_for: timedelta
) -> Begun | None:
    """Replace the hash of a session's refresh token; None when `old_hash` is not the newest, or the session is over."""
    values = {"id": session_id, "old_hash": old_hash, "new_hash": new_hash, "valid_for": valid_for}
    return _begun(session, _ROTATE, values)


def _begun(session: Session, move: Any, values: dict[str, Any]) -> Begun | None:
    return row_as(Begun, session.execute(move, values))


def revoke_reused(session: Session, session_id: UUID, *, shown_hash: bytes) -> bool:
    """End a session whose newest token is not the one that was shown. Says whether it was still there to be ended."""
    return _hit(session, _REVOKE_REUSED, {"id": session_id, "shown_hash": shown_hash}) == 1


def revoke_session(session: Session, session_id: UUID) -> bool:
    """End a session. Says whether it had not been ended before."""
    return _hit(session, _REVOKE, {"id": session_id}) == 1


def find_user(session: Session, *, session_id: UUID, user_id: UUID, token_ends_at: int) -> SessionUser | None:
    """Return the user of a session that goes on.

    Args:
        token_ends_at: seconds since 1970 at which the token is over that names both.

    Returns:
        None when the token or the session is over, or the user is not active or deleted.
    """
    values = {"session_id": session_id, "user_id": user_id, "token_ends_at": token_ends_at}
    return row_as(SessionUser, session.execute(_FIND_USER, values))


def prune_sessions(session: Session, *, limit: int) -> int:
    """Delete at most `limit` sessions that have ended, those first that ended first; return how many."""
    return _hit(session, _PRUNE, {"limit": limit})


def _hit(session: Session, statement: Any, values: dict[str, Any]) -> int:
    return rows_moved(session.execute(statement, values))
