"""Build a mail (RFC 5322): headers that are safe from injection, a text, and an HTML alternative."""

from __future__ import annotations

from email import policy
from email.headerregistry import Address as HeaderAddress
from email.message import EmailMessage
from email.utils import localtime, parseaddr
from uuid import UUID

from gristmill.shared.errors import PermanentError
from gristmill.tasks.mail.rendering import Rendered


def sender_address(mail_from: str) -> str:
    """Return the bare address in `mail_from` (`Name <address>`, or the address alone)."""
    return parseaddr(mail_from)[1]


def sender_domain(mail_from: str) -> str:
    """Return the domain of the address in `mail_from`."""
    return sender_address(mail_from).rpartition("@")[2] or "localhost"


def message_id(job_id: UUID, mail_from: str) -> str:
    """Return the Message-ID of a job's mail: each attempt has the same, so that receivers recognise a duplicate."""
    return f"<{job_id}@{sender_domain(mail_from)}>"


def build_message(
    rendered: Rendered, *, job_id: UUID, mail_from: str, recipient: str, reply_to: str | None
) -> EmailMessage:
    """Build the mail of a job.

    Raises:
        PermanentError: a header cannot hold a value (a line break in the subject would begin another header).
    """
    message = EmailMessage(policy=policy.SMTP)
    name, address = parseaddr(mail_from)
    try:
        message["From"] = _address(address, name)
        message["To"] = _address(recipient)
        if reply_to is not None:
            message["Reply-To"] = _address(reply_to)
        message["Subject"] = rendered.subject
        message["Date"] = localtime()
        message["Message-ID"] = message_id(job_id, mail_from)
        message["Auto-Submitted"] = "auto-generated"  # RFC 3834: asks for no out-of-office reply
        message.set_content(rendered.text)
        if rendered.html is not None:
            message.add_alternative(rendered.html, subtype="html")
    except (ValueError, IndexError) as error:
        msg = f"The mail cannot be written: {error}; post the job again without it"
        raise PermanentError(msg, code="EMAIL_HEADER_INVALID") from error
    return message


def _address(address: str, name: str = "") -> HeaderAddress:
    user, _, domain = address.rpartition("@")
    return HeaderAddress(name, user, domain)  # not `addr_spec=`: its parser refuses names beyond ASCII
