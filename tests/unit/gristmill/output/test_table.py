"""Tables: one line a row, whatever stands in it and however narrow the paper is."""

from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st

from gristmill.output.fields import show_fields
from gristmill.output.paper import Paper
from gristmill.output.table import Column, plain, table
from gristmill.output.values import age, columns_of, cut, duration, number, one_line

NOW = datetime(2030, 1, 1, 12, tzinfo=UTC)
ID = "01a2212a-d9cf-71e6-8c36-c4a66bef862e"
COLUMNS = (
    plain("AGE", "age"),
    plain("ID", "id", is_id=True),
    plain("TASK", "task", least=5),
    plain("MESSAGE", "message", least=8),
    plain("QUEUE", "queue", wide=True),
)


def row(**more: str) -> dict[str, str]:
    return {"age": "3m", "id": ID, "task": "email.send", "message": "no", "queue": "email_queue", **more}


@given(
    texts=st.lists(st.tuples(st.text(max_size=300), st.text(max_size=300), st.text(max_size=120)), max_size=5),
    width=st.integers(1, 200),
)
def test_a_row_is_one_line_that_is_never_too_long(texts: list[tuple[str, str, str]], width: int) -> None:
    rows = [row(task=task, message=message, id=own) for task, message, own in texts]
    lines = table(rows, COLUMNS, Paper(width=width))
    assert len(lines) == len(rows) + 1
    assert [line for line in lines if columns_of(line) > width or "\n" in line or "\x1b" in line] == []


def test_what_may_be_cut_is_cut_and_the_id_is_whole() -> None:
    rows = [row(message="the other side does not answer " * 9, task="processing.aggregate_hour")]
    (_, line) = table(rows, COLUMNS, Paper(width=80))
    assert line == f"3m   {ID}  processing.aggre…  the other side do…"


def test_columns_are_left_out_from_the_right_before_the_id_is_cut() -> None:
    heads, line = table([row()], COLUMNS, Paper(width=44))
    assert (heads, line) == ("AGE  ID", f"3m   {ID}")
    assert table([row()], COLUMNS, Paper(width=20))[1] == f"{ID[:19]}…"


def test_one_row_with_a_long_name_does_not_take_the_columns_of_the_others() -> None:
    named = (plain("AGE", "age"), plain("NAME", "id", is_id=True), plain("TASK", "task", least=5))
    lines = table([row(id="n" * 90), row(id="short")], named, Paper(width=80))
    assert [line.split() for line in lines] == [
        ["AGE", "NAME", "TASK"],
        ["3m", "n" * 62 + "…", "email.send"],
        ["3m", "short", "email.send"],
    ]


def test_a_wide_table_has_every_column_whole_and_without_a_width_nothing_is_cut() -> None:
    rows = [row(message="m" * 200)]
    assert table(rows, COLUMNS, Paper(wide=True))[1].endswith(f"{'m' * 200}  email_queue")
    assert table(rows, COLUMNS, Paper())[1].endswith("m" * 200)


def test_a_column_in_which_nothing_stands_is_left_out() -> None:
    assert table([row(message="")], COLUMNS, Paper())[0].split() == ["AGE", "ID", "TASK"]


def test_states_are_coloured_without_changing_the_widths() -> None:
    columns = (plain("STATE", "state", coloured=True), plain("ID", "id", is_id=True))
    rows = [{"state": "dead", "id": "a"}, {"state": "succeeded", "id": "b"}]
    plain_lines, coloured = table(rows, columns, Paper()), table(rows, columns, Paper(colour=True))
    assert coloured[1] == "\x1b[31mdead\x1b[0m       a"
    assert plain_lines[1] == "dead       a"


def test_numbers_stand_at_the_right() -> None:
    columns = (Column(name="N", value=lambda each, _paper: each["n"], right=True), plain("ID", "id", is_id=True))
    assert table([{"n": "7", "id": "a"}, {"n": "12", "id": "b"}], columns, Paper()) == [" N  ID", " 7  a", "12  b"]


def test_ages_have_one_unit() -> None:
    assert [duration(seconds) for seconds in (0.4, 59, 60, 3_599, 3_600, 172_799, 172_800, 8_640_000)] == [
        "0s", "59s", "1m", "59m", "1h", "47h", "2d", "100d",
    ]  # fmt: skip
    assert age("2030-01-01T11:57:00Z", NOW) == "3m"
    assert age("2030-01-01T12:03:00+00:00", NOW) == "in 3m"
    assert age("2030-01-01T12:00:00.400Z", NOW) == "0s"  # clocks differ a little
    assert age(None, NOW) == ""


def test_numbers_have_five_characters_at_most() -> None:
    assert [number(each) for each in (0, 9_999, 10_000, 999_999, 1_000_000, 1_290_000, 12_345_678)] == [
        "0", "9999", "10k", "999k", "1M", "1.2M", "12M",
    ]  # fmt: skip


@given(text=st.text(max_size=100), width=st.integers(0, 60))
def test_a_cut_text_fits(text: str, width: int) -> None:
    line = one_line(text)
    assert columns_of(cut(line, width)) <= width
    assert line.splitlines() in ([], [line])


def test_wide_letters_take_two_columns() -> None:
    assert (columns_of("接続"), columns_of("é"), cut("接続が", 4)) == (4, 1, "接…")


def test_a_field_of_several_lines_stays_below_its_name() -> None:
    shown = show_fields({"id": 1, "empty": None, "note": "a\nb\x1b[2J", "on": True, "tags": ["x"]}, Paper())
    assert shown == ["id    1", "note  a", "      b\N{REPLACEMENT CHARACTER}[2J", "on    yes", 'tags  ["x"]']
