"""The row that a whole run of tests writes into docs/tested.md."""

import pytest

from tests.tested import PAGE, duration, with_row

ROW = [
    "2026-11-28",
    "abc1234",
    "`make test-long`",
    "10 passed",
    "20 min 00 s",
    "2 CPUs, 8 GB",
    "3.11.7, RabbitMQ 3.10.8",
]


def rows(page: str) -> list[str]:
    return page.rsplit("| --- |", maxsplit=1)[-1].splitlines()[1:]


def test_the_newest_result_stands_first_and_the_text_above_stays() -> None:
    before = PAGE.read_text()
    after = with_row(before, ROW)
    assert rows(after)[0] == f"| {' | '.join(ROW)} |"
    assert rows(after)[1:] == rows(before)
    assert after.startswith(before.split("| date |")[0])


def test_a_later_run_of_the_same_commit_and_target_takes_the_place_of_the_former() -> None:
    again = [*ROW[:3], "9 passed, 1 failed", *ROW[4:]]
    other = [*ROW[:2], "`make test`", *ROW[3:]]
    page = with_row(with_row(with_row(PAGE.read_text(), ROW), other), again)
    assert [row.split(" | ")[2:4] for row in rows(page)[:2]] == [again[2:4], other[2:4]]
    assert sum(ROW[1] in row for row in rows(page)) == 2


@pytest.mark.parametrize(("seconds", "told"), [(5.9, "0 min 05 s"), (600, "10 min 00 s"), (3661, "61 min 01 s")])
def test_a_duration_is_told_in_minutes_and_seconds(seconds: float, told: str) -> None:
    assert duration(seconds) == told
