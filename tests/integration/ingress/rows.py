"""Look at the database from outside, and hold it up."""

from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

from sqlalchemy import text

from gristmill.shared.database.connect import Database
from tests.factories import change

TABLES = ("jobs", "outbox", "idempotency_keys")


def count(database: Database, table: str = "jobs") -> int:
    assert table in TABLES
    with database.transaction() as session:
        return int(session.execute(text(f"SELECT count(*) FROM gristmill.{table}")).scalar_one())


def everything_stored(database: Database) -> dict[str, int]:
    return {table: count(database, table) for table in TABLES}


def commits(database: Database) -> int:
    """Return how many transactions wrote the jobs that are there."""
    with database.transaction() as session:
        return int(session.execute(text("SELECT count(DISTINCT xmin::text) FROM gristmill.jobs")).scalar_one())


def a_write_waits(database: Database) -> bool:
    """Say whether somebody stands before a lock, as of `jobs_locked`."""
    return writes_that_wait(database) > 0


def writes_that_wait(database: Database) -> int:
    """Return how many stand before a lock in this database."""
    waiting = (
        "SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = database "
        "WHERE NOT granted AND datname = current_database()"
    )
    with database.transaction() as session:
        return int(session.execute(text(waiting)).scalar_one())


@contextmanager
def jobs_locked(database: Database, *, reads: bool = False) -> Iterator[None]:
    """Let nobody write jobs meanwhile, nor with `reads` read them: what posts them queues up behind this lock."""
    with database.session() as session, session.begin():
        session.execute(text(f"LOCK TABLE gristmill.jobs IN {'ACCESS EXCLUSIVE' if reads else 'EXCLUSIVE'} MODE"))
        yield


def give_history(database: Database, job: UUID, attempts: int, *, size: int = 2_000) -> None:
    """Let a job that waits have failed so often, each time with an error of so many characters."""
    change(
        database,
        "UPDATE gristmill.jobs SET max_attempts = 100, attempt = :attempts WHERE id = :id",
        id=job,
        attempts=attempts,
    )
    change(
        database,
        "INSERT INTO gristmill.attempts (job_id, attempt, outcome, worker, started_at, ended_at, error_type, "
        "error_message) SELECT CAST(:id AS uuid), number, 'failed', 'w', clock_timestamp(), clock_timestamp(), 'E', "
        "repeat('e', :size) FROM generate_series(1, :attempts) AS number",
        id=job,
        attempts=attempts,
        size=size,
    )
