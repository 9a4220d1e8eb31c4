"""Make databases, tasks and jobs as a test wants them, and look at what became of them."""

import inspect
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from typing import Any, Final
from uuid import UUID

import psycopg2
from marshmallow import Schema, fields
from sqlalchemy import delete, insert, select, text
from uuid_utils.compat import uuid7

from gristmill.services.postgres import Postgres
from gristmill.shared.context import Context
from gristmill.shared.database.connect import Database
from gristmill.shared.dead_letters.models import DeadLetter
from gristmill.shared.jobs.enqueue import JobOptions, enqueue
from gristmill.shared.jobs.failure import Failure
from gristmill.shared.jobs.models import Attempt, Job, Outbox
from gristmill.shared.jobs.moves import Claimed, claim
from gristmill.shared.retry import RetryPolicy
from gristmill.shared.states import FINAL, State
from gristmill.shared.task import Task, registry, task
from gristmill.tasks.demo.models import DemoEffect
from gristmill.workers.celery.app import make_app
from gristmill.workers.relay.hint import Hint
from gristmill.workers.relay.publish import make_publisher
from tests.conftest import execute, revive
from tests.contexts import make_settings

AT_ONCE: Final = RetryPolicy(max_attempts=3, first_delay=timedelta(0))
FAILURE: Final = Failure(
    type="TestError", code="TEST_1", message="as it was asked to", traceback="", fingerprint="f" * 16
)
LEASE: Final = 60.0
PATIENT: Final = {"lock_timeout": 50.0, "publish_timeout": 50.0, "cancel_grace": 100.0}


@contextmanager
def own_database(server: Postgres, template: str) -> Iterator[str]:
    """Yield the URL of a migrated database for longer than one test."""
    revive(server)
    name = f"test_{uuid7().hex}"
    execute(server, "CREATE DATABASE {} TEMPLATE {}", name, template)
    yield server.url_of(name)
    revive(server)
    execute(server, "DROP DATABASE {} WITH (FORCE)", name)


@contextmanager
def reached(url: str, *, environment: dict[str, str] | None = None, **changes: Any) -> Iterator[Database]:
    """Yield a database as a worker's child reaches it; nothing is given up because the machine stalls for a while."""
    made = Database(
        make_settings({"GRISTMILL_DATABASE_URL": url, **(environment or {})}, **{**PATIENT, **changes}),
        application_name="test",
        pre_ping=False,
    )
    yield made
    made.dispose()


@contextmanager
def declared(handler: Callable[..., Any], **options: Any) -> Iterator[Task]:
    """Yield a task for as long as the block lasts; its schema takes the handler's keywords as they come."""
    name = options.pop("name", f"demo.made_{uuid7().hex}")
    keywords = list(inspect.signature(handler).parameters)[1:]
    schema = Schema.from_dict({keyword: fields.Raw(required=True, allow_none=True) for keyword in keywords})
    chosen = {"queue": "data_processing_queue", "args": schema, "retry": AT_ONCE, **options}
    made = task(name=name, **chosen)(handler)
    try:
        yield made
    finally:
        registry.remove(name)


def have_effect(ctx: Context, key: str) -> None:
    """Leave a row in the job's transaction, to be counted by `effects`."""
    with ctx.transaction() as session:
        session.execute(insert(DemoEffect).values(key=key, job_id=ctx.job_id, attempt=ctx.attempt))


def effects(database: Database, key: str) -> int:
    with database.transaction() as session:
        return len(session.scalars(select(DemoEffect.id).where(DemoEffect.key == key)).all())


def post(database: Database, task: Task | str, options: JobOptions | None = None, /, **args: Any) -> UUID:
    """Accept one job, as a producer does."""
    with database.transaction() as session:
        return enqueue(session, task, options, **args)


def post_many(database: Database, number: int, task: Task | str, /, **args: Any) -> list[UUID]:
    with database.transaction() as session:
        return [enqueue(session, task, **args) for _ in range(number)]


def post_bundle(
    database: Database, *jobs: tuple[Task, dict[str, Any]], options: JobOptions | None = None
) -> list[UUID]:
    """Accept jobs and publish one hint for all of them, as a relay does under backlog."""
    with database.transaction() as session:
        ids = [enqueue(session, task, options, **args) for task, args in jobs]
        session.execute(delete(Outbox).where(Outbox.job_id.in_(ids)))
    first = jobs[0][0]
    publisher = make_publisher(make_app(database.settings), database.settings)
    publisher.publish([Hint(first.name, first.queue.name, tuple(ids))])
    publisher.forget()
    return ids


def begin(database: Database, *ids: UUID, lease: float = LEASE) -> list[Claimed]:
    """Claim jobs, as a worker does that is then heard of no more."""
    with database.transaction() as session:
        return claim(session, ids, worker="lost@nowhere", lease=lease)


def find(database: Database, job_id: UUID) -> Job:
    with database.transaction() as session:
        return session.get_one(Job, job_id)


def state(database: Database, job_id: UUID) -> str:
    return find(database, job_id).state


def have_ended(database: Database, *ids: UUID) -> bool:
    with database.transaction() as session:
        states = session.scalars(select(Job.state).where(Job.id.in_(ids))).all()
    return len(states) == len(ids) and all(State(each) in FINAL for each in states)


def states(database: Database, *ids: UUID) -> list[str]:
    """The states of these jobs, in order."""
    with database.transaction() as session:
        by_id = {job.id: job.state for job in session.scalars(select(Job).where(Job.id.in_(ids)))}
    return [by_id[job_id] for job_id in ids]


def attempts(database: Database, job_id: UUID) -> list[Attempt]:
    with database.transaction() as session:
        return list(session.scalars(select(Attempt).where(Attempt.job_id == job_id).order_by(Attempt.attempt)))


def letters(database: Database, job_id: UUID) -> list[DeadLetter]:
    with database.transaction() as session:
        return list(session.scalars(select(DeadLetter).where(DeadLetter.job_id == job_id)))


def hints(database: Database, job_id: UUID | None = None) -> list[Outbox]:
    """The hints that are in the outbox, in the order they were written."""
    query = select(Outbox).order_by(Outbox.id)
    with database.transaction() as session:
        return list(session.scalars(query if job_id is None else query.where(Outbox.job_id == job_id)))


def change(database: Database, statement: str, **values: Any) -> None:
    """Run one statement of the test's own."""
    with database.transaction() as session:
        session.execute(text(statement), values)


def insert_job(database: Database, *, state: State, attempt: int = 1, **values: Any) -> UUID:
    """Write a job that is in `state`, as no producer could."""
    job_id = uuid7()
    row = {
        "id": job_id,
        "task": "demo.echo",
        "queue": "data_processing_queue",
        "args": {"message": "made"},
        "state": str(state),
        "attempt": attempt,
        "max_attempts": 3,
        "run_at": text("clock_timestamp() - interval '1 second'"),
        "lease_until": text("clock_timestamp() + interval '1 minute'") if state == State.RUNNING else None,
        "finished_at": text("clock_timestamp()") if state in FINAL else None,
    }
    with database.transaction() as session:
        session.execute(insert(Job).values(**row | values))
    return job_id


def terminate(url: str, pid: int) -> None:
    """Cut the connection of a Postgres backend, as a broken network does."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT pg_terminate_backend(%s, 5000)", (pid,))
        assert cursor.fetchone() == (True,)
