"""Due times of a schedule, also where the clocks change, and the missed times that are caught up."""

from datetime import UTC, datetime, timedelta
from itertools import islice

import pytest

from gristmill.shared.errors import InvalidError
from gristmill.shared.schedules.catch_up import ON_TIME, choose_fires
from gristmill.shared.schedules.declaration import CatchUp
from gristmill.shared.schedules.recurrence import Recurrence

NOW = datetime(2026, 7, 1, 12, tzinfo=UTC)


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def times(after: str, number: int, cron: str, timezone: str = "UTC") -> list[str]:
    found = Recurrence(cron=cron, timezone=timezone).after(utc(after))
    return [f"{time.astimezone(UTC):%Y-%m-%dT%H:%M}" for time in islice(found, number)]


@pytest.mark.parametrize(
    ("cron", "expected"),
    [
        ("0 * * * *", ["2026-07-01T13:00", "2026-07-01T14:00"]),
        ("*/20 * * * *", ["2026-07-01T12:20", "2026-07-01T12:40"]),
        ("30 4 * * 1", ["2026-07-06T04:30", "2026-07-13T04:30"]),
        ("0 0 29 2 *", ["2028-02-29T00:00", "2032-02-29T00:00"]),
    ],
)
def test_a_cron_rule_is_due_after_and_never_at_the_time_it_was_due_last(cron: str, expected: list[str]) -> None:
    assert times("2026-07-01T12:00", 2, cron) == expected


def test_a_period_is_due_every_so_many_seconds_whatever_the_clocks_say() -> None:
    found = Recurrence(every=30.0, timezone="Europe/Berlin").after(utc("2026-03-29T00:59:30"))
    assert [f"{time:%H:%M:%S}" for time in islice(found, 3)] == ["01:00:00", "01:00:30", "01:01:00"]


def test_a_time_that_the_clocks_leave_out_in_spring_is_made_up_for_when_the_hour_ends() -> None:
    # Berlin goes from 02:00 to 03:00 on 29 March 2026, at 01:00 UTC.
    assert times("2026-03-28T00:00", 3, "30 2 * * *", "Europe/Berlin") == [
        "2026-03-28T01:30",
        "2026-03-29T01:00",
        "2026-03-30T00:30",
    ]


def test_a_time_that_comes_twice_in_autumn_is_due_once() -> None:
    # Berlin goes from 03:00 to 02:00 on 25 October 2026, at 01:00 UTC.
    assert times("2026-10-24T12:00", 2, "30 2 * * *", "Europe/Berlin") == ["2026-10-25T00:30", "2026-10-26T01:30"]


def test_an_hourly_rule_is_due_each_hour_also_where_the_clocks_change() -> None:
    hours = [f"2026-10-25T{hour:02}:00" for hour in range(4)]
    assert times("2026-10-24T23:00", 4, "0 * * * *", "Europe/Berlin") == hours


def test_a_rule_that_begins_in_the_hour_that_comes_twice_is_not_due_in_the_past() -> None:
    assert times("2026-10-25T01:15", 1, "30 2 * * *", "Europe/Berlin") == ["2026-10-26T01:30"]


@pytest.mark.parametrize(
    ("cron", "expected"),
    [("30 2 * * *", 31), ("0 0 * * *", 31), ("0 * * * *", 31 * 24 - 1), ("0 */2 * * *", 31 * 12 - 1)],
)
def test_times_between_two_count_each_day_once_also_where_an_hour_is_left_out(cron: str, expected: int) -> None:
    start, end = utc("2026-02-28T23:00:00"), utc("2026-03-31T22:00:00")  # March in Berlin, which lacks an hour
    found = Recurrence(cron=cron, timezone="Europe/Berlin").between(start, end, anchor=NOW, most=1_000)
    assert len(found) == len(set(found)) == expected
    assert found == sorted(found)


def test_times_between_two_begin_with_the_first_and_end_before_the_last() -> None:
    start, end = utc("2026-07-01T00:00:00"), utc("2026-07-01T03:00:00")
    hourly = Recurrence(cron="0 * * * *").between(start, end, anchor=NOW, most=10)
    assert [time.hour for time in hourly] == [0, 1, 2]
    period = Recurrence(every=3600.0).between(start, end, anchor=utc("2026-07-01T12:30:00"), most=10)
    assert [f"{time:%H:%M}" for time in period] == ["00:30", "01:30", "02:30"]
    assert Recurrence(every=1.0).between(start, end, anchor=NOW, most=2) == [start, start + timedelta(seconds=1)]


@pytest.mark.parametrize("zone", ["Berlin", "", "../../etc/passwd", "Europe", "x" * 300, "Europe/Berlin\0"])
def test_what_is_no_time_zone_is_refused_with_an_example(zone: str) -> None:
    with pytest.raises(InvalidError, match="Europe/Berlin") as refused:
        Recurrence(cron="0 * * * *", timezone=zone).check()
    assert list(refused.value.details) == ["timezone"]


@pytest.mark.parametrize(
    "cron",
    ["", "every day", "61 * * * *", "* * * *", None, "0 0 * * * *", "0 0 31 2 *", "0 0 * * 1#2/3", "@daily", "1" * 500],
)
def test_what_is_no_cron_rule_is_refused_with_an_example(cron: str | None) -> None:
    with pytest.raises(InvalidError, match=r"0 \* \* \* \*"):
        Recurrence(cron=cron).check()


DUE = [NOW - timedelta(minutes=minutes) for minutes in (3, 2, 1)]
JUST_NOW = NOW - ON_TIME


@pytest.mark.parametrize(
    ("due", "catch_up", "expected"),
    [
        (DUE, "all", DUE),
        (DUE, "last", DUE[-1:]),
        (DUE, "none", []),
        ([*DUE, JUST_NOW], "none", [JUST_NOW]),
        ([JUST_NOW - timedelta(microseconds=1)], "none", []),
        ([NOW], "none", [NOW]),
        ([], "all", []),
        ([], "last", []),
    ],
)
def test_of_the_times_that_were_missed_a_schedule_makes_up_for(
    due: list[datetime], catch_up: CatchUp, expected: list[datetime]
) -> None:
    assert choose_fires(due, now=NOW, catch_up=catch_up) == expected
