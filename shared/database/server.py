"""Ask the database server whether it answers, and which version it is."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sqlalchemy import text

from gristmill.shared.database.timeouts import limit_statements

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_PING: Final = text("SELECT 1")
_VERSION: Final = text("SHOW server_version")


def ping(session: Session, *, seconds: float) -> None:
    """Return when the server has answered.

    Raises:
        sqlalchemy.exc.DBAPIError: it does not answer within `seconds`, or it is away.
    """
    limit_statements(session, seconds=seconds)
    session.execute(_PING)


def read_server_version(session: Session) -> str:
    """Return the version of the server, as it writes it itself: `18.1`."""
    return str(session.execute(_VERSION).scalar_one())
