"""People who sign in: users, profiles, sessions and the tokens they are mailed."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import CheckConstraint, ForeignKey, Index, func, text
from sqlalchemy.orm import Mapped, mapped_column

from gristmill.shared.database.columns import Base, CreatedAt, PrimaryKey, new_metadata


class AccountTables(Base):
    """Base of the tables of this plugin."""

    __abstract__ = True
    metadata = new_metadata()


class User(AccountTables):
    """A person. Their e-mail address is unique without regard to case among those who are not deleted."""

    __tablename__ = "users"

    id: Mapped[PrimaryKey]
    email: Mapped[str]
    password_hash: Mapped[str]
    role: Mapped[str] = mapped_column(server_default="member")
    status: Mapped[str] = mapped_column(server_default="active")
    email_verified_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    updated_at: Mapped[CreatedAt]
    deleted_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("role IN ('member', 'operator', 'admin')", name="role"),
        CheckConstraint("status IN ('active', 'inactive', 'suspended')", name="status"),
        Index("uq_users_email", func.lower(text("email")), unique=True, postgresql_where=text("deleted_at IS NULL")),
    )


class UserProfile(AccountTables):
    """The name of a person, and the ways in which they want to be notified."""

    __tablename__ = "user_profiles"

    user_id: Mapped[UUID] = mapped_column(ForeignKey("gristmill.users.id", ondelete="CASCADE"), primary_key=True)
    full_name: Mapped[str]
    preferences: Mapped[dict[str, Any]] = mapped_column(server_default="{}")
    updated_at: Mapped[CreatedAt]


class UserSession(AccountTables):
    """One sign-in: a family of refresh tokens, of which only the newest hash is kept."""

    __tablename__ = "sessions"

    id: Mapped[PrimaryKey]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("gristmill.users.id", ondelete="CASCADE"))
    refresh_hash: Mapped[bytes]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    revoked_at: Mapped[datetime | None]

    __table_args__ = (
        Index("ix_sessions_user", "user_id"),
        Index("ix_sessions_end", func.least(text("expires_at"), text("revoked_at"))),
    )


class OneTimeToken(AccountTables):
    """A token that was mailed to a person, good for one use: only its hash is kept."""

    __tablename__ = "one_time_tokens"

    id: Mapped[PrimaryKey]
    user_id: Mapped[UUID] = mapped_column(ForeignKey("gristmill.users.id", ondelete="CASCADE"))
    purpose: Mapped[str]
    token_hash: Mapped[bytes]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    used_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint("purpose IN ('verify_email', 'reset_password')", name="purpose"),
        Index("ix_one_time_tokens_user", "user_id"),
    )
