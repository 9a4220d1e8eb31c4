"""Users, their profiles and the one-time tokens they are mailed."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import func, insert, literal_column, select, text
from sqlalchemy.dialects.postgresql import insert as upsert

from gristmill.shared.database.rows import row_as
from gristmill.shared.errors import NotFoundError
from gristmill.shared.people.models import OneTimeToken, User, UserProfile

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def email_exists(session: Session, email: str) -> bool:
    """Say whether a user who is not deleted has this address, without regard to case."""
    query = select(User.id).where(func.lower(User.email) == func.lower(email), User.deleted_at.is_(None))
    return session.execute(query).first() is not None


def insert_user(
    session: Session, *, user_id: UUID, email: str, password_hash: str, full_name: str, role: str
) -> UUID | None:
    """Write a user with a profile.

    A transaction that is writing the same address at this moment is waited for, up to the lock timeout.

    Returns:
        The user's id; None when the address is taken (the unique index decides).
    """
    row = {"id": user_id, "email": email, "password_hash": password_hash, "role": role}
    made = session.execute(
        upsert(User)
        .values(row)
        .on_conflict_do_nothing(index_elements=[literal_column("lower(email)")], index_where=text("deleted_at IS NULL"))
        .returning(User.id)
    ).scalar_one_or_none()
    if made is not None:
        session.execute(insert(UserProfile).values(user_id=made, full_name=full_name))
    return made


def find_user(session: Session, user_id: UUID) -> User | None:
    """Return the user; None when there is none, or they are deleted."""
    return session.execute(select(User).where(User.id == user_id, User.deleted_at.is_(None))).scalar_one_or_none()


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownUser:
    """A user with a profile, as they see themselves."""

    id: UUID
    email: str
    full_name: str
    role: str
    status: str
    email_verified_at: datetime | None
    created_at: datetime


def get_shown_user(session: Session, user_id: UUID) -> ShownUser:
    """Return what a user is shown of themselves.

    Raises:
        NotFoundError: there is none, or they are deleted.
    """
    columns = (User.id, User.email, UserProfile.full_name, User.role, User.status, User.email_verified_at)
    query = (
        select(*columns, User.created_at)
        .join(UserProfile, UserProfile.user_id == User.id)
        .where(User.id == user_id, User.deleted_at.is_(None))
    )
    user = row_as(ShownUser, session.execute(query))
    if user is None:
        msg = f"No user {user_id}"
        raise NotFoundError(msg)
    return user


def find_profile(session: Session, user_id: UUID) -> UserProfile | None:
    """Return the user's profile, or None."""
    return session.get(UserProfile, user_id)


def insert_token(
    session: Session, *, token_id: UUID, user_id: UUID, purpose: str, token_hash: bytes, valid_for: timedelta
) -> None:
    """Write the hash of a one-time token that is good for `valid_for` from now, by the database's clock."""
    session.execute(
        insert(OneTimeToken).values(
            id=token_id,
            user_id=user_id,
            purpose=purpose,
            token_hash=token_hash,
            expires_at=func.clock_timestamp() + valid_for,
        )
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOwner:
    """Whom a one-time token was made for, and whether it can still be used."""

    email: str
    purpose: str
    usable: bool


def find_token_owner(session: Session, token_id: UUID) -> TokenOwner | None:
    """Return whom a token belongs to; None when there is no such token, or its user is deleted."""
    usable = OneTimeToken.used_at.is_(None) & (OneTimeToken.expires_at > func.clock_timestamp())
    row = session.execute(
        select(User.email, OneTimeToken.purpose, usable.label("usable"))
        .join(User, User.id == OneTimeToken.user_id)
        .where(OneTimeToken.id == token_id, User.deleted_at.is_(None))
    ).one_or_none()
    return None if row is None else TokenOwner(email=row.email, purpose=row.purpose, usable=row.usable)
