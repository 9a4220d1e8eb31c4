"""Look at the database from outside, and hold it up."""

from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy import text

from shared.db import Database

TABLES = ("jobs", "outbox", "idempotency_keys")


def count(database: Database, table: str = "jobs") -> int:
    assert table in TABLES
    with database.transaction() as session:
        return int(session.execute(text(f"SELECT count(*) FROM {table}")).scalar_one())


def everything_stored(database: Database) -> dict[str, int]:
    return {table: count(database, table) for table in TABLES}


def commits(database: Database) -> int:
    """Return how many transactions wrote the jobs that are there."""
    with database.transaction() as session:
        return int(session.execute(text("SELECT count(DISTINCT xmin::text) FROM jobs")).scalar_one())


def a_write_waits(database: Database) -> bool:
    """Say whether somebody stands before a lock, as of `jobs_locked`."""
    with database.transaction() as session:
        return bool(session.execute(text("SELECT count(*) FROM pg_locks WHERE NOT granted")).scalar_one())


@contextmanager
def jobs_locked(database: Database) -> Iterator[None]:
    """Let nobody write jobs meanwhile: what posts them queues up behind this lock."""
    with database.session() as session, session.begin():
        session.execute(text("LOCK TABLE jobs IN ACCESS EXCLUSIVE MODE"))
        yield
