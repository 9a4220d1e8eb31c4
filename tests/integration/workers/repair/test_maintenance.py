"""The maintenance process: its loops wait for what is away, end together, and do no harm to each other."""

import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import pytest
from sqlalchemy import select, text

from gristmill.services.postgres import Postgres
from gristmill.shared.database.connect import Database
from gristmill.shared.dead_letters.models import DeadLetter
from gristmill.shared.jobs.models import Job
from gristmill.shared.schedules.models import Fire, Schedule
from gristmill.shared.states import State
from gristmill.workers.celery.app import make_app
from gristmill.workers.execute.attempt import Executor
from gristmill.workers.loop import Stop
from gristmill.workers.repair import pruner, reconciler
from gristmill.workers.repair.broker_depths import BrokerView
from gristmill.workers.repair.maintenance import Maintenance
from tests import platform_tasks as tasks
from tests.eventually import eventually
from tests.factories import attempts, begin, change, effects, hints, insert_job, letters, post_many, reached, states
from tests.integration.workers.dead_queues import bury, hint_of, send, waiting

pytestmark = pytest.mark.timeout(300, method="thread")


@contextmanager
def running(database: Database) -> Iterator[Maintenance]:
    """Run all loops of one maintenance process until the block ends."""
    stop = Stop()
    made = Maintenance(database.settings, stop)
    thread = threading.Thread(target=made.run)
    thread.start()
    try:
        yield made
    finally:
        stop.set()
        thread.join(90)
        assert not thread.is_alive()
        made._broker.forget()
        made._recorder._broker.forget()


@pytest.fixture
def database(database_url: str, broker_url: str) -> Iterator[Database]:
    """Once on RabbitMQ and once on Valkey; everything is looked at often."""
    environment = {"GRISTMILL_BROKER_URL": broker_url}
    options = {"lease": 1.0, "maintenance_poll": 0.05, "look_interval": 0.2}
    with reached(database_url, environment=environment, **options) as database:
        yield database


def make_overdue(database: Database) -> None:
    change(
        database,
        "UPDATE gristmill.jobs SET lease_until = clock_timestamp() - interval '1 second' WHERE state = 'running'",
    )


def test_expired_idempotency_keys_are_pruned_bite_by_bite(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruner, "BATCH", 2)
    with database.transaction() as session:
        session.execute(
            text(
                "INSERT INTO gristmill.idempotency_keys (producer_id, key, body_hash, job_id, state, run_at, "
                "expires_at) SELECT gen_random_uuid(), n::text, '', gen_random_uuid(), 'queued', now(), "
                "now() + interval '1 hour' * CASE WHEN n > 5 THEN 1 ELSE -1 END FROM generate_series(1, 7) AS n"
            )
        )

    def left() -> list[str]:
        with database.transaction() as session:
            return list(session.scalars(text("SELECT key FROM gristmill.idempotency_keys ORDER BY key")))

    with running(database):
        eventually(lambda: left() == ["6", "7"])


def test_sessions_that_have_ended_are_pruned_bite_by_bite(database: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruner, "BATCH", 2)
    change(
        database,
        "INSERT INTO gristmill.users (id, email, password_hash) VALUES (gen_random_uuid(), 'a@example.com', '')",
    )
    change(
        database,
        "INSERT INTO gristmill.sessions (id, user_id, refresh_hash, expires_at, revoked_at) "
        "SELECT gen_random_uuid(), users.id, decode(to_hex(n + 16), 'hex'), "
        "now() + interval '1 hour' * CASE WHEN n > 5 THEN 1 ELSE -1 END, CASE WHEN n = 7 THEN now() END "
        "FROM gristmill.users, generate_series(1, 8) AS n",
    )

    def left() -> list[int]:
        with database.transaction() as session:
            return sorted(
                bytes(each)[0] - 16 for each in session.scalars(text("SELECT refresh_hash FROM gristmill.sessions"))
            )

    with running(database):
        eventually(lambda: left() == [6, 8])


def test_two_maintenance_processes_side_by_side_repair_everything_once(database: Database, executor: Executor) -> None:
    lost = post_many(database, 30, tasks.effect, key="lost")
    change(database, "DELETE FROM gristmill.outbox")
    begin(database, *lost)
    unhinted = [insert_job(database, state=State.QUEUED, attempt=0, task="demo.effect", args={"key": "x"})]
    change(database, "UPDATE gristmill.jobs SET run_at = run_at - interval '1 minute' WHERE state = 'queued'")
    unlettered = insert_job(database, state=State.DEAD)
    with database.transaction() as session:
        now = session.execute(text("SELECT clock_timestamp() - interval '1 minute'")).scalar_one()
        session.add(Schedule(name="missed", every=3600.0, task="demo.echo", args={"message": "m"}, next_fire_at=now))
    app, url = make_app(database.settings), database.settings.broker_url.reveal()
    declare_queues(database)
    buried = insert_job(database, state=State.SUCCEEDED)
    for _ in range(5):
        send(url, b"null")
        bury(url, app, hint_of(buried))
    make_overdue(database)
    with ExitStack() as stack:
        for _ in range(2):
            stack.enter_context(running(database))
        eventually(lambda: "running" not in states(database, *lost), within=60)
        eventually(lambda: letters(database, unlettered), within=60)
        eventually(lambda: hints(database, unhinted[0]), within=60)
        eventually(lambda: waiting(url) == 0, within=60)
        eventually(lambda: fires(database), within=60)
        eventually(lambda: len(malformed(database)) == 5, within=60)
    assert states(database, *lost) == [State.RETRYING] * len(lost)
    assert [len(attempts(database, job)) for job in lost] == [1] * len(lost)
    assert [len(hints(database, job)) for job in lost] == [1] * len(lost)
    assert [letter.reason for letter in letters(database, unlettered)] == ["exhausted"]
    assert len(hints(database, unhinted[0])) == 1
    assert len(fires(database)) == 1
    with database.transaction() as session:
        made = session.scalars(select(Job.id).where(Job.tags.contains(["schedule:missed"]))).all()
    assert len(made) == 1
    change(database, "UPDATE gristmill.jobs SET run_at = clock_timestamp() WHERE state = 'retrying'")
    executor.execute(lost)
    assert effects(database, "lost") == len(lost)


def declare_queues(database: Database) -> None:
    view = BrokerView(make_app(database.settings), database.settings)
    view.count_ready()
    view.forget()


def fires(database: Database) -> list[Fire]:
    with database.transaction() as session:
        return list(session.scalars(select(Fire)))


def malformed(database: Database) -> list[DeadLetter]:
    with database.transaction() as session:
        return list(session.scalars(select(DeadLetter).where(DeadLetter.reason == "malformed")))


def test_a_healthy_platform_is_left_alone(database: Database) -> None:
    waits = post_many(database, 3, tasks.effect, key="k")
    runs = post_many(database, 1, tasks.effect, key="k")
    begin(database, *runs)
    before = len(hints(database))
    with running(database) as process:
        looks = count_calls(process._lost_hints, "look")
        eventually(lambda: len(looks) > 5, within=60)
    assert states(database, *waits, *runs) == [State.QUEUED] * 3 + [State.RUNNING]
    assert len(hints(database)) == before


def count_calls(thing: Any, name: str) -> list[int]:
    calls: list[int] = []
    method: Callable[[], Any] = getattr(thing, name)

    def counted() -> Any:
        answer = method()
        calls.append(len(calls))
        return answer

    setattr(thing, name, counted)
    return calls


def test_an_error_that_nobody_expects_ends_all_loops_and_is_raised(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> int:
        raise LookupError("a bug")

    monkeypatch.setattr(reconciler, "take_over_lost", fail)
    made = Maintenance(database.settings, Stop())
    with pytest.raises(LookupError, match="a bug"):
        made.run()


def test_jobs_are_taken_over_while_the_broker_is_away(database_url: str) -> None:
    environment = {"GRISTMILL_BROKER_URL": "amqp://nobody:nothing@127.0.0.1:1/"}
    with reached(database_url, environment=environment, lease=1.0, maintenance_poll=0.05) as database:
        lost = post_many(database, 3, tasks.effect, key="k")
        with running(database):
            begin(database, *lost)
            make_overdue(database)
            eventually(lambda: states(database, *lost) == [State.RETRYING] * 3, within=60)


def test_the_loops_go_on_when_postgres_is_back(database: Database, postgres_server: Postgres) -> None:
    lost = post_many(database, 3, tasks.effect, key="k")
    with running(database):
        postgres_server.kill()
        postgres_server.start(120)
        eventually(lambda: begin(database, *lost), within=60)
        make_overdue(database)
        eventually(lambda: states(database, *lost) == [State.RETRYING] * 3, within=60)
