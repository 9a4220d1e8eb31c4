"""Tell a database that is away from one that refuses a statement, and wait until it is back."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, TypeVar

import psycopg2
import structlog
from sqlalchemy import exc
from sqlalchemy.exc import DBAPIError, DisconnectionError, InvalidRequestError, OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from gristmill.shared.base.breaker import Breaker

log = structlog.get_logger(__name__)
Answer = TypeVar("Answer")

PATIENCE: Final = 10.0  # seconds that a hint waits in place for a database that is away, less than its hard limit
# What a call of the database may raise, away or not. A background loop survives all of it: a lock that is held, a
# migration that has not run yet, and what SQLAlchemy raises in the wake of an outage (PendingRollbackError).
DATABASE_ERRORS: Final[tuple[type[Exception], ...]] = (SQLAlchemyError, psycopg2.Error)

# SQLSTATEs with which a server says that it serves nobody now, whatever the statement is.
_AWAY_CLASSES: Final = (
    "08",  # connection exception
    "53",  # insufficient resources: too many connections, disk full, out of memory
    "57P",  # operator intervention: shutdown, crash, start-up, an idle session ended; not 57014, a canceled statement
    "58",  # system error: it cannot read or write its files
)
_READ_ONLY: Final = "25006"  # after a failover: this server is no longer the primary
# An error without a SQLSTATE is not an answer of the server: its connection is gone. Of these kinds it is the driver's,
# which could not make a statement of the values.
_OF_WRONG_VALUES: Final = (
    *(exc.DataError, exc.IntegrityError, exc.NotSupportedError, exc.ProgrammingError),
    *(psycopg2.DataError, psycopg2.IntegrityError, psycopg2.NotSupportedError, psycopg2.ProgrammingError),
)
_POOL_GAVE_UP: Final = "This connection is closed"  # SQLAlchemy, when each connection was dead that left the pool
_postgres: Final = Breaker()  # one for the process: a hint that comes in an outage does not start with a first try


def is_away(error: BaseException) -> bool:
    """Say whether `error` tells that the database is away, restarts or serves nobody, rather than refuses a statement.

    No other statement would fare better then. A canceled statement, a lock timeout and a deadlock are refusals.
    """
    if isinstance(error, DBAPIError):
        return error.connection_invalidated or _is_outage(error, getattr(error.orig, "pgcode", None))
    if isinstance(error, psycopg2.Error):
        return _is_outage(error, error.pgcode)
    if isinstance(error, InvalidRequestError):
        return str(error).startswith(_POOL_GAVE_UP)
    return isinstance(error, (PoolTimeoutError, DisconnectionError))


def _is_outage(error: Exception, sqlstate: str | None) -> bool:
    if sqlstate is None:
        return not isinstance(error, _OF_WRONG_VALUES)
    return sqlstate.startswith(_AWAY_CLASSES) or sqlstate == _READ_ONLY


def patiently(act: Callable[[], Answer], *, patience: float = PATIENCE) -> Answer:
    """Call `act` until the database answers, with a breaker for all calls of the process.

    `act` must be harmless to repeat, as a guarded move is: when the outcome of a COMMIT is unknown, the next try finds
    out, since it moves nothing that has moved. So it is also repeated after a lock timeout, a deadlock or a statement
    that ran out of time, which pass.

    Raises:
        sqlalchemy.exc.SQLAlchemyError, psycopg2.Error: the database stayed away longer than `patience` seconds; or it
            answered, and refused.
    """
    deadline = time.monotonic() + patience
    while True:
        pause = min(_postgres.pause, deadline - time.monotonic())
        if pause > 0:
            time.sleep(pause)
        try:
            answer = act()
        except DATABASE_ERRORS as error:
            if not (is_away(error) or isinstance(error, OperationalError)):
                _postgres.worked()
                raise
            _postgres.failed()
            if time.monotonic() + _postgres.pause > deadline:
                raise
            log.warning("database.away", error=type(error).__name__, pause=round(_postgres.pause, 2))
        else:
            _postgres.worked()
            return answer
