"""The link that verifies an address, made when the mail is sent: its token is stored nowhere."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from gristmill.shared.outcomes import Discard
from gristmill.shared.people import queries as users
from gristmill.shared.people.one_time_tokens import VERIFY_EMAIL, reveal_token

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.context import Context


def verification_link(ctx: Context, session: Session, recipient: str, *, token_id: str) -> str | Discard:
    """Return the link with the one-time token, which must not be stored in the arguments of a job.

    The link is only mailed to the address of the user whom the token belongs to, whoever posted the job.
    """
    try:
        token = UUID(str(token_id))
    except ValueError:
        return Discard(
            "token_id is not a UUID; user.send_verification makes a token and mails it", code="TOKEN_UNKNOWN"
        )
    owner = users.find_token_owner(session, token)
    if owner is None or owner.purpose != VERIFY_EMAIL or owner.email.lower() != recipient.lower():
        return Discard("No token of this id for this address; user.send_verification makes one", code="TOKEN_UNKNOWN")
    if not owner.usable:
        return Discard("The token was used or is too old; user.send_verification makes another", code="TOKEN_EXPIRED")
    secret = reveal_token(ctx.settings.secret_key, token)
    return f"{ctx.settings.public_url.rstrip('/')}/verify-email?token={secret}"
