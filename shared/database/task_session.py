"""Session of a running job, which the platform alone commits."""

from __future__ import annotations

from typing import Any, NoReturn

from psycopg2.extensions import TRANSACTION_STATUS_INERROR
from sqlalchemy.orm import Session


class TaskSession(Session):
    """The session of a running job. The platform commits it, together with the job's completion."""

    def commit(self) -> NoReturn:
        """Refuse: effects and completion commit together, or not at all."""
        msg = "A handler does not commit: return, and its effects commit together with the job's completion"
        raise RuntimeError(msg)

    def rollback(self) -> NoReturn:
        """Refuse: raise an error to fail the attempt, or use `session.begin_nested()` for a part that may fail."""
        msg = "A handler does not roll back: raise an error to fail the attempt, or open session.begin_nested()"
        raise RuntimeError(msg)

    def finish(self) -> None:
        """Write what is pending, and release the savepoint of a job in a bundle; the platform calls it.

        Raises:
            RuntimeError: the handler continued after an error of the database, which has undone its earlier work.
        """
        self.flush()
        if not self.in_transaction():
            return  # the handler did nothing here
        driver: Any = self.connection().connection.dbapi_connection
        # libpq knows without asking the server. Such a savepoint cannot be released any more, only rolled back to.
        if driver.info.transaction_status == TRANSACTION_STATUS_INERROR:
            msg = (
                "The handler caught an error of the database and went on, but the error has undone its transaction: "
                "let it pass, or put the part that may fail under `with ctx.session.begin_nested():`"
            )
            raise RuntimeError(msg)
        super().commit()

    def drop(self) -> None:
        """Undo the work of the handler; the platform calls it when the attempt did not succeed."""
        super().rollback()
