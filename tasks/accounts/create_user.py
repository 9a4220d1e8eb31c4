"""Create the account of a person."""

from __future__ import annotations

from datetime import timedelta

from marshmallow import Schema, fields
from marshmallow.validate import Length, OneOf
from uuid_utils.compat import uuid7

from gristmill.shared.context import Context
from gristmill.shared.outcomes import Discard
from gristmill.shared.people import queries as users
from gristmill.shared.people.address import Address
from gristmill.shared.people.one_time_tokens import VERIFY_EMAIL, create_token
from gristmill.shared.people.passwords import LONGEST, check_password, hash_password
from gristmill.shared.retry import RetryPolicy
from gristmill.shared.task import task
from gristmill.tasks.mail.send_email import send_email


class CreateUserArgs(Schema):
    """The person. The role is `member`: only an admin makes operators and admins, never a job that anybody may post."""

    email = Address(required=True)
    password = fields.String(
        required=True,
        validate=check_password,
        metadata={  # the mark below is no password, whatever bandit takes it for
            "secret": True,  # nosec B105
            "format": "password",
            "example": "Correct-horse-1",
            "description": f"8 to {LONGEST} characters, one upper-case, one digit",
        },
    )
    full_name = fields.String(required=True, validate=Length(1, 200))
    role = fields.String(validate=OneOf(["member"]), load_default="member")


@task(
    name="user.create",
    queue="user_queue",
    args=CreateUserArgs,
    retry=RetryPolicy(max_attempts=3, first_delay=timedelta(seconds=2)),
    time_limit=timedelta(seconds=30),
    effects="database",
)
def create_user(
    ctx: Context, *, email: str, password: str, full_name: str, role: str = "member"
) -> dict[str, str] | Discard:
    """Create a user with a profile, and mail them the link that verifies their address.

    Repeating is harmless: user, profile, token and the job that sends the mail are written in the transaction that
    completes this job. Of two jobs for one address the unique index admits one; the other ends as EMAIL_EXISTS.
    """
    taken = Discard(f"A user with the address {email} exists; sign in, or ask for a new password", code="EMAIL_EXISTS")
    if users.email_exists(ctx.session, email):
        return taken
    password_hash = hash_password(
        password
    )  # before the row is written: no other transaction waits on its lock for the hash
    user_id = users.insert_user(
        ctx.session, user_id=uuid7(), email=email, password_hash=password_hash, full_name=full_name, role=role
    )
    if user_id is None:
        return taken
    token_id = create_token(ctx, user_id, VERIFY_EMAIL)
    ctx.enqueue(send_email, to=email, template="verify_email", context={"name": full_name, "token_id": str(token_id)})
    return {"user_id": str(user_id)}
