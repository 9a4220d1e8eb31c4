"""Mail a person another link that verifies their address."""

from __future__ import annotations

from datetime import timedelta
from uuid import UUID

from marshmallow import Schema, fields

from gristmill.shared.context import Context
from gristmill.shared.outcomes import Discard
from gristmill.shared.people import queries as users
from gristmill.shared.people.one_time_tokens import VERIFY_EMAIL, create_token
from gristmill.shared.retry import RetryPolicy
from gristmill.shared.task import task
from gristmill.tasks.mail.send_email import send_email


class SendVerificationArgs(Schema):
    """The person to mail."""

    user_id = fields.UUID(required=True)


@task(
    name="user.send_verification",
    queue="user_queue",
    args=SendVerificationArgs,
    retry=RetryPolicy(max_attempts=3, first_delay=timedelta(seconds=2)),
    time_limit=timedelta(seconds=30),
    effects="database",
)
def send_verification(ctx: Context, *, user_id: UUID) -> dict[str, str] | Discard:
    """Create another verification token and mail its link; previous links stay valid until they expire.

    Repeating is harmless: token and mail are written in the transaction that completes this job.
    """
    user = users.find_user(ctx.session, user_id)
    if user is None:
        return Discard(f"There is no user {user_id}", code="USER_UNKNOWN")
    if user.email_verified_at is not None:
        return Discard(f"The address of user {user_id} is verified already", code="EMAIL_VERIFIED")
    profile = users.find_profile(ctx.session, user_id)
    token_id = create_token(ctx, user_id, VERIFY_EMAIL)
    mail_job = ctx.enqueue(
        send_email,
        to=user.email,
        template="verify_email",
        context={"name": profile.full_name if profile is not None else user.email, "token_id": str(token_id)},
    )
    return {"mail_job_id": str(mail_job)}
