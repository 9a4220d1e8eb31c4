"""Time moves: in the database, in Python, and in the calendars of schedules."""

from datetime import UTC, datetime, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest
from sqlalchemy import text

from gristmill import JobOptions
from gristmill.shared.database.clock import read_clock
from gristmill.shared.jobs import moves
from gristmill.testing import EndlessError, Mill, MillError

# Schedules fire on weekdays in the morning, and today may be one.
SHOP = ("count.up", "odd.fail", "odd.outcome")
CLOCKS = ("clock_timestamp()", "statement_timestamp()", "transaction_timestamp()", "now()")


def drained(mill: Mill) -> list[UUID]:
    return [attempt.job_id for attempt in mill.drain() if attempt.task in SHOP]


def test_all_clocks_of_the_database_and_python_move_together(mill: Mill) -> None:
    before = datetime.now(UTC)
    told = mill.advance(days=40, hours=3)
    assert timedelta(0) <= told - before - timedelta(days=40, hours=3) < timedelta(minutes=5)
    with mill.session() as session:
        times = session.execute(text(f"SELECT {', '.join(CLOCKS)}")).one()
    assert all(abs(datetime.now(UTC) - time) < timedelta(minutes=5) for time in times)
    mill.advance(minutes=1)
    assert datetime.now(UTC) - before >= timedelta(days=40, hours=3, minutes=1)


def test_the_next_test_has_its_own_time_back(mill: Mill) -> None:
    assert abs(mill.now() - datetime.now(UTC)) < timedelta(minutes=5)
    with mill.session() as session:
        assert session.execute(text("SELECT microseconds FROM gristmill_clock.moved")).scalar_one() == 0


def test_each_default_of_a_time_uses_the_clock_that_moves(mill: Mill) -> None:
    with mill.session() as session:
        defaults = session.execute(
            text(
                "SELECT attrelid::regclass || '.' || attname, pg_get_expr(adbin, adrelid) FROM pg_attrdef "
                "JOIN pg_attribute ON attrelid = adrelid AND attnum = adnum WHERE atttypid = 'timestamptz'::regtype"
            )
        ).all()
        session.execute(text("SET LOCAL search_path = ''"))  # so that the schema of each function is written out
        written = session.execute(text("SELECT pg_get_expr(adbin, adrelid) FROM pg_attrdef")).scalars().all()
    assert len(defaults) > 20
    clocks = [default for default in written if "timestamp()" in default.lower() or "now()" in default.lower()]
    assert len(clocks) == len(defaults)
    assert [default for default in clocks if not default.startswith("gristmill_clock.")] == []


def test_time_does_not_go_back(mill: Mill) -> None:
    with pytest.raises(MillError, match="Time does not go back"):
        mill.advance(hours=-1)


def test_a_job_waits_for_its_time_and_not_longer(mill: Mill) -> None:
    job = mill.enqueue("count.up", JobOptions(delay=timedelta(hours=3)), number=1)
    mill.advance(hours=2, minutes=59)
    assert drained(mill) == []
    mill.advance(minutes=1)
    assert drained(mill) == [job]


def test_a_time_that_python_names_is_that_of_the_database(mill: Mill) -> None:
    mill.advance(days=3)
    job = mill.enqueue("count.up", JobOptions(run_at=datetime.now(UTC) + timedelta(hours=1)), number=1)
    assert drained(mill) == []
    mill.advance(hours=1)
    assert drained(mill) == [job]


def test_the_function_of_the_database_that_enqueues_has_the_same_time(mill: Mill) -> None:
    mill.advance(days=3)
    with mill.session() as session:
        statement = "SELECT gristmill.enqueue('count.up', '{\"number\": 1}', delay => interval '1 hour')"
        job = session.execute(text(statement.replace(":", "\\:"))).scalar_one()
    assert timedelta(minutes=59) < mill.job(job).run_at - datetime.now(UTC) < timedelta(minutes=61)


def test_rows_of_the_application_get_older(mill: Mill) -> None:
    mill.run("invoice.send", number="1", to="ada@example.com")
    mill.advance(days=13)
    assert mill.run("invoice.remind") == []
    mill.advance(days=2)
    assert mill.run("invoice.remind") == ["1"]


def test_retries_come_due_until_the_job_is_dead(mill: Mill) -> None:
    job = mill.enqueue("odd.fail")
    attempts = [attempt for attempt in mill.run_until(hours=2) if attempt.job_id == job]
    assert [(attempt.number, attempt.state) for attempt in attempts] == [(1, "retrying"), (2, "retrying"), (3, "dead")]
    (letter,) = mill.dead_letters()
    assert (letter.job_id, letter.reason, letter.attempts) == (job, "exhausted", 3)


def test_a_job_that_nobody_begins_expires(mill: Mill) -> None:
    job = mill.enqueue("email.send", to="ada@example.com", subject="Hello", text="…")
    mill.advance(hours=1, seconds=1)  # the time to live of its queue
    assert drained(mill) == []
    assert mill.job(job).state == "dead"
    assert [letter.reason for letter in mill.dead_letters()] == ["expired"]


def test_a_lease_ends_and_the_job_is_taken_over(mill: Mill) -> None:
    job = mill.enqueue("odd.fail", times=0)
    with mill.session() as session:
        moves.claim(session, [job], worker="one that is gone", lease=30)
    mill.advance(seconds=29)
    assert drained(mill) == []
    assert mill.job(job).state == "running"
    attempts = [attempt for attempt in mill.run_until(hours=1) if attempt.job_id == job]
    assert [(attempt.number, attempt.state) for attempt in attempts] == [(2, "succeeded")]


def test_an_idempotency_key_is_known_for_a_day(mill: Mill) -> None:
    client = mill.client()

    def post() -> str:
        body = {"task": "count.up", "args": {"number": 1}}
        return str(client.post("/api/v1/jobs", json=body, headers={"Idempotency-Key": "k"}).get_json()["id"])

    first = post()
    mill.advance(hours=23)
    assert post() == first
    mill.advance(hours=2)
    assert post() != first


def test_a_schedule_keeps_to_the_calendar_and_the_wall_clock_of_its_zone(mill: Mill) -> None:
    mill.run_until(days=14)
    times = [datetime.fromisoformat(job.args["number"]) for job in mill.enqueued("invoice.send")]
    local = [time.astimezone(ZoneInfo("Europe/Berlin")) for time in times]
    assert len(times) == 10
    assert {(time.hour, time.minute) for time in local} == {(7, 30)}
    assert {time.weekday() for time in local} == {0, 1, 2, 3, 4}
    assert times == sorted(times)


def test_a_schedule_that_was_missed_fires_as_after_an_outage(mill: Mill) -> None:
    mill.advance(days=14)
    assert [attempt.task for attempt in mill.drain()].count("invoice.send") == 1  # catch_up is last


def test_events_come_in_the_order_of_their_times(mill: Mill) -> None:
    with mill.session() as session:
        before = read_clock(session)
    later = mill.enqueue("count.up", JobOptions(delay=timedelta(days=8)), number=2)
    sooner = mill.enqueue("count.up", JobOptions(delay=timedelta(minutes=1)), number=1)
    attempts = mill.run_until(days=9)
    ids = [attempt.job_id for attempt in attempts if attempt.task == "count.up"]
    assert ids == [sooner, later]
    assert mill.now() - before >= timedelta(days=9)


def test_what_lies_beyond_the_span_is_left(mill: Mill) -> None:
    job = mill.enqueue("count.up", JobOptions(delay=timedelta(hours=3)), number=1)
    mill.run_until(hours=2)
    assert mill.job(job).state == "scheduled"


def test_until_ends_the_passing_of_time(mill: Mill) -> None:
    began = mill.now()
    mill.enqueue("odd.fail", times=1)
    mill.run_until(days=1, until=lambda: mill.job(mill.enqueued("odd.fail")[0].id).state == "succeeded")
    assert mill.now() - began < timedelta(minutes=30)
    with pytest.raises(MillError, match=r"1:00:00 are over after \d+ attempts, and `until` is still false"):
        mill.run_until(hours=1, until=lambda: mill.enqueued("vault.open"))


def test_a_snoozing_task_that_never_ends_is_stopped(mill: Mill) -> None:
    mill.enqueue("odd.outcome", kind="snooze")
    with pytest.raises(EndlessError, match=r"30 attempts were made \(odd.outcome \d\d"):
        mill.run_until(days=300, limit=30)


def test_a_row_that_the_test_itself_has_locked_is_told(mill: Mill) -> None:
    with mill.engine.connect() as connection:
        connection.execute(text("SELECT FROM gristmill.schedules FOR UPDATE"))
        with pytest.raises(MillError, match="a transaction of the test holds its row; end it"):
            mill.run_until(days=7)
