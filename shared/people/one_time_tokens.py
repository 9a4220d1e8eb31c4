"""Tokens that are mailed to people: made from the platform's secret when they are shown, never stored themselves."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from uuid_utils.compat import uuid7

from gristmill.shared.base.sealing import derive_text, hash_token
from gristmill.shared.people import queries as users
from gristmill.shared.settings import Secret

if TYPE_CHECKING:
    from gristmill.shared.context import Context

VERIFY_EMAIL: Final = "verify_email"
VALID_FOR: Final = timedelta(hours=24)


def reveal_token(secret_key: Secret, token_id: UUID) -> str:
    """Return the token as its owner is to have it: `<id>.<HMAC>`; the id finds its row, the HMAC proves it."""
    return f"{token_id.hex}.{derive_text(secret_key, 'one-time-token', token_id.hex)}"


def create_token(ctx: Context, user_id: UUID, purpose: str) -> UUID:
    """Write a token of this user in the job's transaction and return its id, which is all that a mail job may carry."""
    token_id = uuid7()
    users.insert_token(
        ctx.session,
        token_id=token_id,
        user_id=user_id,
        purpose=purpose,
        token_hash=hash_token(reveal_token(ctx.settings.secret_key, token_id)),
        valid_for=VALID_FOR,
    )
    return token_id
