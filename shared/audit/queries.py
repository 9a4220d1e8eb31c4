"""Write and list entries of the audit log."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from sqlalchemy import insert, select

from gristmill.shared.audit.models import AuditEntry

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session


def record_act(session: Session, *, actor: str, action: str, subject: str, **details: Any) -> None:
    """Write an entry in the transaction that performs the act.

    Args:
        session: the caller's.
        actor: a producer's name, or `cli:<user>`.
        action: such as `job.cancel`.
        subject: the object of the act, such as `job:<id>`.
        details: JSON values; None is left out. No secrets.
    """
    session.execute(insert(AuditEntry).values(actor=actor, action=action, subject=subject, details=_plain(details)))


def _plain(details: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in details.items() if value is not None}


def list_acts(session: Session, subject: str, *, limit: int = 100) -> Sequence[AuditEntry]:
    """Return the latest entries about a subject, newest first."""
    query = select(AuditEntry).where(AuditEntry.subject == subject).order_by(AuditEntry.id.desc()).limit(limit)
    return session.scalars(query).all()
