"""Schedules that are due make a fire and a job each, in one transaction, whoever else tries."""

import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select

import tests.platform_tasks  # noqa: F401  fills the registry
from gristmill.shared.database.clock import read_clock
from gristmill.shared.database.connect import Database
from gristmill.shared.jobs.models import Job
from gristmill.shared.schedules import catch_up
from gristmill.shared.schedules.declaration import FIRE_AT
from gristmill.shared.schedules.declaration import Schedule as Declared
from gristmill.shared.schedules.defaults import sync_schedules
from gristmill.shared.schedules.fire import fire_due
from gristmill.shared.schedules.models import Fire, Schedule
from gristmill.shared.schedules.queries import seconds_to_next_fire
from gristmill.shared.task import registry
from tests.factories import change, hints


def now(database: Database) -> datetime:
    with database.transaction() as session:
        return read_clock(session)


def add(database: Database, name: str = "s", *, missed: float = 0, **values: Any) -> datetime:
    """Write a schedule that has been due for `missed` seconds, and return since when."""
    since = now(database) - timedelta(seconds=missed)
    rule: dict[str, Any] = {} if "cron" in values else {"every": 60.0}
    chosen = {"task": "demo.echo", "args": {"message": "m"}, "next_fire_at": since, **rule, **values}
    with database.transaction() as session:
        session.add(Schedule(name=name, **chosen))
    return since


def fire(database: Database) -> dict[str, int]:
    with database.transaction() as session:
        return fire_due(session)


def fires(database: Database) -> list[Fire]:
    with database.transaction() as session:
        return list(session.scalars(select(Fire).order_by(Fire.schedule, Fire.fire_at)))


def jobs(database: Database) -> list[Job]:
    with database.transaction() as session:
        return list(session.scalars(select(Job).order_by(Job.id)))


def next_fire(database: Database, name: str = "s") -> datetime:
    with database.transaction() as session:
        return session.get_one(Schedule, name).next_fire_at


def test_a_schedule_that_is_due_makes_a_fire_a_job_and_a_hint_and_is_due_again_later(database: Database) -> None:
    since = add(database)
    assert fire(database) == {"s": 1}
    assert fire(database) == {}
    (one,), (job,) = fires(database), jobs(database)
    assert (one.fire_at, one.job_id, job.tags) == (since, job.id, ["schedule:s"])
    assert [hint.job_id for hint in hints(database)] == [job.id]
    assert next_fire(database) == since + timedelta(minutes=1)


@pytest.mark.parametrize(("catch_up", "expected"), [("all", [0, 1, 2]), ("last", [2]), ("none", [])])
def test_of_what_was_missed_a_schedule_makes_up_for_as_much_as_it_says(
    database: Database, catch_up: str, expected: list[int]
) -> None:
    since = add(database, missed=160, catch_up=catch_up)  # due 160, 100 and 40 s ago
    fire(database)
    assert [one.fire_at for one in fires(database)] == [since + timedelta(minutes=minute) for minute in expected]
    assert len(jobs(database)) == len(expected)
    assert next_fire(database) == since + timedelta(minutes=3)


def test_a_long_outage_is_made_up_for_in_portions_and_nothing_is_left_out(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catch_up, "MOST_FIRES", 50)
    since = add(database, missed=75, every=1.0, catch_up="all")
    assert fire(database) == {"s": 50}
    fire(database)
    times = [one.fire_at for one in fires(database)]
    assert times == [since + timedelta(seconds=second) for second in range(len(times))]
    assert len(times) > 75


@pytest.mark.parametrize(("overlap", "expected"), [("skip", 1), ("allow", 2)])
def test_a_schedule_whose_last_job_has_not_ended_fires_as_it_says(
    database: Database, overlap: str, expected: int
) -> None:
    since = add(database, overlap=overlap)
    fire(database)
    change(database, "UPDATE gristmill.schedules SET next_fire_at = :at", at=since + timedelta(milliseconds=1))
    fire(database)
    assert len(jobs(database)) == expected
    assert [one.job_id is None for one in fires(database)] == [False, overlap == "skip"]
    change(database, "UPDATE gristmill.jobs SET state = 'succeeded', finished_at = clock_timestamp()")
    change(database, "UPDATE gristmill.schedules SET next_fire_at = :at", at=since + timedelta(milliseconds=2))
    fire(database)
    assert len(jobs(database)) == expected + 1


def test_a_time_that_was_fired_is_not_fired_again(database: Database) -> None:
    since = add(database)
    fire(database)
    change(database, "UPDATE gristmill.schedules SET next_fire_at = :at", at=since)  # as from an old backup
    assert fire(database) == {"s": 0}
    assert len(jobs(database)) == 1
    assert next_fire(database) > since


def test_a_schedule_that_is_switched_off_or_ahead_does_not_fire(database: Database) -> None:
    add(database, "off", enabled=False)
    add(database, "ahead", missed=-3600)
    assert fire(database) == {}
    with database.transaction() as session:
        assert 3500 < (seconds_to_next_fire(session) or 0) <= 3600


def test_the_time_of_the_fire_is_handed_to_the_job(database: Database) -> None:
    since = add(database, args={"message": FIRE_AT})
    fire(database)
    assert datetime.fromisoformat(jobs(database)[0].args["message"]) == since


@pytest.mark.parametrize(
    "broken", [{"task": "demo.of_yesterday"}, {"args": {"other": 1}}, {"cron": "every day", "every": None}]
)
def test_a_schedule_that_cannot_fire_is_switched_off_and_stops_no_other(
    database: Database, broken: dict[str, Any]
) -> None:
    add(database, "a-broken", missed=1, **broken)
    add(database, "good")
    assert fire(database)["good"] == 1
    assert [one.schedule for one in fires(database)] == ["good"]
    with database.transaction() as session:
        assert not session.get_one(Schedule, "a-broken").enabled


def test_beats_that_fire_at_the_same_moment_fire_each_schedule_once(database: Database) -> None:
    for number in range(20):
        add(database, f"s{number}")
    together = threading.Barrier(4)

    def beat(_: int) -> int:
        together.wait(60)
        return sum(fire(database).values())

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(beat, range(4))) == 20
    assert len(fires(database)) == len(jobs(database)) == 20


def test_the_schedules_that_come_with_the_code_are_written_once_and_an_operators_row_wins(database: Database) -> None:
    add(database, "theirs", missed=-60)
    echo = registry.get("demo.echo")
    defaults = [
        Declared("ours", cron="0 * * * *", task=echo.name, args={"message": "m"}, catch_up="all"),
        Declared("theirs", cron="0 * * * *", task="demo.fail"),
    ]
    for _ in range(2):
        with database.transaction() as session:
            sync_schedules(session, defaults)
    with database.transaction() as session:
        ours, theirs = session.get_one(Schedule, "ours"), session.get_one(Schedule, "theirs")
    assert (ours.cron, ours.task, ours.catch_up, ours.next_fire_at.minute) == ("0 * * * *", "demo.echo", "all", 0)
    assert ours.next_fire_at > ours.created_at
    assert (theirs.every, theirs.task) == (60.0, "demo.echo")
