"""Send one mail to one person."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from marshmallow import Schema, ValidationError, fields, validates_schema
from marshmallow.validate import ContainsNoneOf, Length, OneOf

from gristmill.shared.context import Context
from gristmill.shared.errors import PermanentError
from gristmill.shared.outcomes import Discard
from gristmill.shared.people.address import Address
from gristmill.shared.retry import RetryPolicy
from gristmill.shared.task import task
from gristmill.tasks.mail import queries as messages
from gristmill.tasks.mail.catalogue import keywords_of, mail_templates
from gristmill.tasks.mail.message import build_message, message_id, sender_address, sender_domain
from gristmill.tasks.mail.rendering import Rendered, render
from gristmill.tasks.mail.smtp import MailServer, submit

if TYPE_CHECKING:
    from email.message import EmailMessage
    from uuid import UUID

    from sqlalchemy.orm import Session

OWN_TEXT: Final = "none"  # the template in the ledger of a mail that was posted with its own text
LONGEST_TEXT: Final = 100_000  # characters; a request has 256 KiB at most


class Scalar(fields.Raw):
    """A JSON value that is no object and no array: text, number, true, false or null."""

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> Any:
        if not isinstance(value, (str, int, float, bool, type(None))):
            msg = "must be a text, a number, true, false or null"
            raise ValidationError(msg)
        if isinstance(value, str) and len(value) > LONGEST_TEXT:
            msg = f"must have at most {LONGEST_TEXT} characters"
            raise ValidationError(msg)
        return super()._deserialize(value, attr, data, **options)


class SendEmailArgs(Schema):
    """Either `template` with its `context`, or `subject` and `text` (and `html`)."""

    to = Address(required=True)
    template = fields.String(validate=OneOf(sorted(mail_templates())), load_default=None)
    context = fields.Dict(
        keys=fields.String(validate=Length(1, 100)),
        values=Scalar(allow_none=True),
        validate=Length(max=50),
        load_default=dict,
    )
    subject = fields.String(
        validate=[Length(1, 500), ContainsNoneOf("\r\n", error="must be one line")],
        load_default=None,
        metadata={"example": "Your order"},
    )
    text = fields.String(
        validate=Length(1, LONGEST_TEXT), load_default=None, metadata={"example": "It is on its way.\n"}
    )
    html = fields.String(validate=Length(1, LONGEST_TEXT), load_default=None)
    reply_to = Address(load_default=None)

    @validates_schema
    def check_content(self, data: dict[str, Any], **_: Any) -> None:
        """Refuse a mail without content, one with content from two sources, and a context that does not fit."""
        own = [name for name in ("subject", "text", "html") if data.get(name) is not None]
        if data.get("template") is None:
            missing = {"subject", "text"}.difference(own)
            if missing:
                raise ValidationError({name: ["is missing: give subject and text, or a template"] for name in missing})
            if data.get("context"):
                raise ValidationError({"context": ["is for templates: leave it out, or name a template"]})
            return
        if own:
            raise ValidationError({name: ["does not go with template: give one or the other"] for name in own})
        problems = mail_templates()[data["template"]].find_problems(data.get("context", {}))
        if problems:
            raise ValidationError({"context": problems})


@task(
    name="email.send",
    queue="email_queue",
    args=SendEmailArgs,
    retry=RetryPolicy(max_attempts=3, first_delay=timedelta(seconds=2)),
    time_limit=timedelta(seconds=60),
    effects="outside",
)
def send_email(
    ctx: Context,
    *,
    to: str,
    template: str | None = None,
    context: Mapping[str, Any] | None = None,
    subject: str | None = None,
    text: str | None = None,
    html: str | None = None,
    reply_to: str | None = None,
) -> dict[str, Any] | Discard:
    """Send one mail, from a template or with the text of the request.

    Repeating is harmless once the reply of the server is in the ledger: the job then returns its first result again. A
    crash between the reply and the commit of the ledger can send the mail twice, under the same Message-ID. Delivery
    is at least once, because the server and the database cannot commit together.
    """
    with ctx.transaction() as session:
        if (result := find_sent(session, ctx.job_id)) is not None:
            return result
        completed = complete_context(session, ctx, to, template, context or {})
    if isinstance(completed, Discard):
        return completed
    if template is None:
        content = Rendered(subject=subject or "", text=text or "", html=html)
    else:
        content = render(template, completed, public_url=ctx.settings.public_url)
    mail_from = ctx.settings.mail_from
    mail = build_message(content, job_id=ctx.job_id, mail_from=mail_from, recipient=to, reply_to=reply_to)
    own_id = message_id(ctx.job_id, mail_from)
    with ctx.transaction() as session:
        begun = messages.begin_message(
            session,
            job_id=ctx.job_id,
            message_id=own_id,
            recipient=to,
            subject=content.subject,
            template=template or OWN_TEXT,
        )
        if not begun and (result := find_sent(session, ctx.job_id)) is not None:
            return result
    return {"message_id": own_id, "reply": _submit(ctx, mail, to)}


def _submit(ctx: Context, mail: EmailMessage, to: str) -> str:
    """Submit the mail, and write the outcome into the ledger; return the reply of the server."""
    mail_from = ctx.settings.mail_from
    try:
        reply = submit(
            MailServer.from_url(ctx.settings.smtp_url),
            mail,
            sender=sender_address(mail_from),
            recipient=to,
            helo=sender_domain(mail_from),
        )
    except PermanentError as error:
        with ctx.transaction() as session:
            messages.mark_refused(session, ctx.job_id, reply=error.message)
        raise
    with ctx.transaction() as session:
        messages.mark_sent(session, ctx.job_id, reply=reply)
    return reply


def find_sent(session: Session, job_id: UUID) -> dict[str, Any] | None:
    """Return the result of a job whose mail was accepted by a server, or None."""
    row = messages.find_message(session, job_id)
    return {"message_id": row.message_id, "reply": row.smtp_reply} if row is not None and row.status == "sent" else None


def complete_context(
    session: Session, ctx: Context, to: str, template: str | None, context: Mapping[str, Any]
) -> Mapping[str, Any] | Discard:
    """Add the values that plugins compute for the template; they must not be stored in the arguments of a job."""
    computed: dict[str, Any] = {}
    for name, compute in (mail_templates()[template].computed if template is not None else {}).items():
        keywords = {each: context[each] for each in keywords_of(compute)}
        value = compute(ctx, session, to, **keywords)
        if isinstance(value, Discard):
            return value
        computed[name] = value
    return {**context, **computed}
