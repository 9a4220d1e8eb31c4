"""Connect to Postgres: one engine for each process, short transactions, a deadline for every wait."""

from __future__ import annotations

import select
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import orjson
import psycopg2
from sqlalchemy import create_engine, event, text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.orm import Session

from gristmill.shared.base.secret import SESSION_KEY

if TYPE_CHECKING:
    from psycopg2.extensions import connection as PostgresConnection  # noqa: N812  a class with a lower-case name
    from sqlalchemy import URL, Connection, Engine

    from gristmill.shared.settings import Settings

SECRET_KEY: Final = SESSION_KEY
COMMITS_BY_ITSELF = "commits_by_itself"  # in the info of a session whose statements are a transaction each
CONNECT_TIMEOUT = 5  # seconds; a host that does not answer a SYN is away, and a longer wait holds a request thread
IDLE_IN_TRANSACTION_TIMEOUT = 60  # seconds; then a client that vanished in mid-transaction loses its locks
KEEPALIVES = {"keepalives": 1, "keepalives_idle": 20, "keepalives_interval": 5, "keepalives_count": 3}
TCP_USER_TIMEOUT = 20_000  # milliseconds until unacknowledged data means that the other side is gone


def driver_url(url: str) -> URL:
    """Return `url` with psycopg2 named as its driver (a bare `postgresql://` means psycopg 3 in SQLAlchemy 2.1)."""
    return make_url(url.replace("postgres://", "postgresql://", 1)).set(drivername="postgresql+psycopg2")


def libpq_url(url: str) -> str:
    """Return `url` as libpq reads it, for a plain psycopg2 connection. Holds the password."""
    return driver_url(url).set(drivername="postgresql").render_as_string(hide_password=False)


def connect_options(settings: Settings, application_name: str) -> dict[str, Any]:
    """Return psycopg2's connection arguments: time limits on the server's side, keepalives on both."""
    options = {
        "statement_timeout": f"{settings.statement_timeout:g}s",
        "lock_timeout": f"{settings.lock_timeout:g}s",
        "idle_in_transaction_session_timeout": f"{IDLE_IN_TRANSACTION_TIMEOUT}s",
        "tcp_keepalives_idle": KEEPALIVES["keepalives_idle"],
        "tcp_keepalives_interval": KEEPALIVES["keepalives_interval"],
        "tcp_keepalives_count": KEEPALIVES["keepalives_count"],
        "client_connection_check_interval": "5s",
        "timezone": "UTC",
    }
    milliseconds = {name: _in_milliseconds(value) for name, value in options.items()}
    return {
        "connect_timeout": CONNECT_TIMEOUT,
        "tcp_user_timeout": TCP_USER_TIMEOUT,
        "application_name": application_name,
        "options": " ".join(f"-c {name}={value}" for name, value in milliseconds.items()),
        **KEEPALIVES,
    }


def listening(settings: Settings, channel: str, *, application_name: str) -> PostgresConnection:
    """Open a connection that listens on `channel`, past any pooler. The caller closes it.

    Raises:
        psycopg2.Error: the database is away.
    """
    options = connect_options(settings, application_name)
    connection: PostgresConnection = psycopg2.connect(libpq_url(settings.direct_url.reveal()), **options)
    try:
        connection.set_session(autocommit=True)
        with connection.cursor() as cursor:
            cursor.execute(f"LISTEN {channel}")
    except BaseException:
        connection.close()
        raise
    return connection


def _in_milliseconds(value: object) -> str:
    if isinstance(value, str) and value.endswith("s") and value != "UTC":
        return f"{int(float(value[:-1]) * 1000)}ms"
    return str(value)


def _refuse_hung_up(driver: Any, _record: object, _proxy: object) -> None:
    """Replace a pooled connection whose socket is readable: on an idle connection that means the server closed it.

    Raises:
        DisconnectionError: for the pool.
    """
    poll = select.poll()  # select() knows no file numbers beyond 1,023
    poll.register(driver.fileno(), select.POLLIN)
    if poll.poll(0):
        raise DisconnectionError("the server has hung up")


def dump_json(value: object) -> str:
    """Serialize for a jsonb column; refuses NaN and lone surrogates, as jsonb does."""
    return orjson.dumps(value).decode()


class Database:
    """One process's pool of connections.

    Make it after a fork, never before: connections must not be shared between processes.

    Args:
        settings: where the database is, and the limits of every wait.
        application_name: what Postgres shows in pg_stat_activity.
        pool_size: connections kept; as many again may be opened for a while.
        pre_ping: test a connection with a statement each time it leaves the pool. Otherwise only its socket is tested,
            which detects a server that has closed the connection, but not one that is gone. That is enough for callers
            that can repeat a statement.
        recycle: seconds after which a connection is replaced; -1 for never, where the clock of the process is moved.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        application_name: str = "gristmill",
        pool_size: int | None = None,
        pre_ping: bool = True,
        recycle: int = 1_800,
    ) -> None:
        self.settings = settings
        size = pool_size if pool_size is not None else settings.database_pool_size
        self.engine: Engine = create_engine(
            driver_url(settings.database_url.reveal()),
            connect_args=connect_options(settings, application_name),
            pool_size=size,
            max_overflow=size,
            pool_timeout=10,
            pool_recycle=recycle,
            pool_pre_ping=pre_ping,
            json_serializer=dump_json,
            json_deserializer=orjson.loads,
            hide_parameters=True,
        )
        if not pre_ping:
            event.listen(self.engine, "checkout", _refuse_hung_up)

    def session(self, bind: Connection | None = None) -> Session:
        """Make a session, on `bind` or on a connection of the pool; `enqueue` finds what it needs in its `info`."""
        return Session(bind if bind is not None else self.engine, expire_on_commit=False, info=self.session_info)

    @property
    def session_info(self) -> dict[str, Any]:
        """The `info` that a session must carry so that `enqueue` works in it."""
        return {SECRET_KEY: self.settings.secret_key}

    @contextmanager
    def transaction(self, *, asynchronous_commit: bool = False) -> Iterator[Session]:
        """Open a session whose end is the commit; an exception rolls back.

        Args:
            asynchronous_commit: return before the commit is on disk. Use it only for changes that a crash of the
                database server may lose, such as the count of an attempt that then did not happen.
        """
        with self.session() as session, session.begin():
            if asynchronous_commit:
                session.execute(text("SET LOCAL synchronous_commit = off"))
            yield session

    @contextmanager
    def autocommit(self) -> Iterator[Session]:
        """Open a session in which each statement commits by itself: one round trip for a move of one statement."""
        with self.engine.connect() as connection:
            # On the driver, not as SQLAlchemy's isolation level: to reset that, SQLAlchemy sends one more statement. If
            # the connection was cut meanwhile, its error hides the result, and the pool loses the slot for good.
            driver: Any = connection.connection.dbapi_connection
            driver.autocommit = True
            session = self.session(connection)
            session.info[COMMITS_BY_ITSELF] = True
            try:
                yield session
            finally:
                if not driver.closed:
                    driver.autocommit = False

    def dispose(self) -> None:
        """Close every connection."""
        self.engine.dispose()


@contextmanager
def opened(settings: Settings, *, application_name: str) -> Iterator[Database]:
    """Open the database with a pool of one connection, and dispose of it afterwards.

    Args:
        settings: they name the database.
        application_name: shown by `pg_stat_activity`.
    """
    database = Database(settings, application_name=application_name, pool_size=1)
    try:
        yield database
    finally:
        database.dispose()
