"""The ledger of mails: begin one, and mark it as sent or refused."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sqlalchemy import func, select, update
from sqlalchemy.dialects.postgresql import insert

from gristmill.tasks.mail.models import EmailMessageRow

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def find_message(session: Session, job_id: UUID) -> EmailMessageRow | None:
    """Return the mail of a job, or None."""
    return session.execute(select(EmailMessageRow).where(EmailMessageRow.job_id == job_id)).scalar_one_or_none()


def begin_message(
    session: Session, *, job_id: UUID, message_id: str, recipient: str, subject: str, template: str
) -> bool:
    """Record that a mail is about to be sent. Returns False when a server has accepted it before."""
    values = {"message_id": message_id, "recipient": recipient, "subject": subject, "template": template}
    row = insert(EmailMessageRow).values(job_id=job_id, status="sending", **values)
    begun = session.execute(
        row.on_conflict_do_update(
            index_elements=[EmailMessageRow.job_id],
            set_={"status": "sending", "smtp_reply": None, **values},
            where=EmailMessageRow.status != "sent",
        ).returning(EmailMessageRow.id)
    )
    return begun.first() is not None


def mark_sent(session: Session, job_id: UUID, *, reply: str) -> None:
    """Record that a server accepted the mail, with its reply."""
    session.execute(
        update(EmailMessageRow)
        .where(EmailMessageRow.job_id == job_id)
        .values(status="sent", smtp_reply=reply, sent_at=func.clock_timestamp())
    )


def mark_refused(session: Session, job_id: UUID, *, reply: str) -> None:
    """Record that the server refused the mail for good, with the reason."""
    session.execute(
        update(EmailMessageRow)
        .where(EmailMessageRow.job_id == job_id, EmailMessageRow.status != "sent")
        .values(status="refused", smtp_reply=reply)
    )
