"""The libraries through which an application enqueues: for each, one transaction as its users write it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from typing import Any, Final

import psycopg2
import psycopg2.extras
import pytest
from sqlalchemy import create_engine, text
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, scoped_session, sessionmaker

from gristmill import enqueue


@dataclass(frozen=True)
class Bound:
    """A transaction of an application.

    Attributes:
        enqueue: calls `gristmill.enqueue` on its session or connection, with all other arguments.
        execute: executes a statement of its own.
    """

    enqueue: Callable[..., Any]
    execute: Callable[[str], Any]

    @classmethod
    def on(cls, handle: Any, execute: Callable[[str], Any] | None = None) -> Bound:
        return cls(lambda *args, **kwargs: enqueue(handle, *args, **kwargs), execute or handle.execute)


def _driver_url(url: str, driver: str) -> str:
    return url.replace("postgresql://", f"postgresql+{driver}://", 1)


@contextmanager
def _sqlalchemy_session(url: str, driver: str = "psycopg2") -> Iterator[Bound]:
    engine = create_engine(_driver_url(url, driver))
    try:
        with Session(engine) as session, session.begin():
            yield Bound.on(session, lambda statement: session.execute(text(statement)))
    finally:
        engine.dispose()


@contextmanager
def _sqlalchemy_session_on_psycopg(url: str) -> Iterator[Bound]:
    with _sqlalchemy_session(url, "psycopg") as bound:
        yield bound


@contextmanager
def _scoped_session(url: str) -> Iterator[Bound]:
    engine = create_engine(_driver_url(url, "psycopg2"))
    sessions = scoped_session(sessionmaker(engine))
    try:
        with sessions.begin():
            yield Bound.on(sessions, lambda statement: sessions.execute(text(statement)))
    finally:
        sessions.remove()
        engine.dispose()


@contextmanager
def _sqlalchemy_connection(url: str) -> Iterator[Bound]:
    engine = create_engine(_driver_url(url, "psycopg2"))
    try:
        with engine.begin() as connection:
            yield Bound.on(connection, lambda statement: connection.execute(text(statement)))
    finally:
        engine.dispose()


@contextmanager
def _async_session(url: str, driver: str) -> Iterator[Bound]:
    with asyncio.Runner() as runner:
        engine = create_async_engine(_driver_url(url, driver))
        session = AsyncSession(engine)

        def enqueue_in_session(*args: Any, **kwargs: Any) -> Any:
            return runner.run(session.run_sync(lambda sync: enqueue(sync, *args, **kwargs)))

        try:
            yield Bound(enqueue_in_session, lambda statement: runner.run(session.execute(text(statement))))
            runner.run(session.commit())
        finally:
            runner.run(session.close())
            runner.run(engine.dispose())


@contextmanager
def _async_session_on_asyncpg(url: str) -> Iterator[Bound]:
    with _async_session(url, "asyncpg") as bound:
        yield bound


@contextmanager
def _async_session_on_psycopg(url: str) -> Iterator[Bound]:
    with _async_session(url, "psycopg_async") as bound:
        yield bound


@contextmanager
def _django(url: str) -> Iterator[Bound]:
    with django_connection(url) as connection:
        from django.db import transaction

        with transaction.atomic(), connection.cursor() as cursor:
            yield Bound.on(connection, cursor.execute)


@contextmanager
def django_connection(url: str) -> Iterator[Any]:
    """Yield `django.db.connection` of a project whose database this is."""
    import django
    from django.conf import settings
    from django.db import connection, connections
    from sqlalchemy.engine import make_url

    if not settings.configured:
        settings.configure(DATABASES={"default": {"ENGINE": "django.db.backends.postgresql"}})
        django.setup()
    parts = make_url(url)
    connections["default"].settings_dict |= {
        "NAME": parts.database,
        "USER": parts.username,
        "PASSWORD": parts.password,
        "HOST": parts.host,
        "PORT": parts.port,
    }
    try:
        yield connection
    finally:
        connections.close_all()


@contextmanager
def _psycopg2_connection(url: str) -> Iterator[Bound]:
    connection = psycopg2.connect(url, cursor_factory=psycopg2.extras.RealDictCursor)
    with closing(connection), connection, connection.cursor() as cursor:
        yield Bound.on(connection, cursor.execute)


@contextmanager
def _psycopg2_cursor(url: str) -> Iterator[Bound]:
    with closing(psycopg2.connect(url)) as connection, connection, connection.cursor() as cursor:
        yield Bound.on(cursor)


@contextmanager
def _psycopg_connection(url: str) -> Iterator[Bound]:
    import psycopg
    from psycopg.rows import dict_row

    with psycopg.connect(url, row_factory=dict_row, cursor_factory=psycopg.RawCursor) as connection:
        yield Bound.on(connection)


@contextmanager
def _psycopg_cursor(url: str) -> Iterator[Bound]:
    import psycopg

    with psycopg.connect(url, autocommit=True) as connection, connection.transaction(), connection.cursor() as cursor:
        yield Bound.on(cursor)


ADAPTERS: Final = {
    "Session": _sqlalchemy_session,
    "Session on psycopg": _sqlalchemy_session_on_psycopg,
    "scoped_session": _scoped_session,
    "Connection": _sqlalchemy_connection,
    "AsyncSession on asyncpg": _async_session_on_asyncpg,
    "AsyncSession on psycopg": _async_session_on_psycopg,
    "Django": _django,
    "psycopg2 connection": _psycopg2_connection,
    "psycopg2 cursor": _psycopg2_cursor,
    "psycopg connection": _psycopg_connection,
    "psycopg cursor": _psycopg_cursor,
}
NEEDS: Final = {"psycopg": "psycopg", "asyncpg": "asyncpg", "Django": "django"}


def require(adapter: str) -> None:
    """Skip the test of a library that is not installed here; requirements/dev.in has them all."""
    for word, package in NEEDS.items():
        if word in adapter.split():
            pytest.importorskip(package)
