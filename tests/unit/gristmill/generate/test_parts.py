"""Names, columns, lists and chains of migrations, as the generator reads and writes them."""

from pathlib import Path

import pytest

from gristmill.generate.columns import imports_of, read_columns
from gristmill.generate.edits import add_to_list
from gristmill.generate.errors import GenerateError
from gristmill.generate.names import check_package, check_schedule, check_word, plural, split_task
from gristmill.generate.parts import literal
from gristmill.generate.revisions import find_head, new_revision


@pytest.mark.parametrize(
    ("name", "problem"),
    [
        ("queue", "a module of Python itself"),
        ("json", "a module of Python itself"),
        ("gristmill", "is taken"),
        ("tests", "is taken"),
        ("celery", "is a module of the installed package celery"),
        ("sqlalchemy", "is a module of the installed package SQLAlchemy"),
        ("class", "no keyword of Python"),
        ("match", "no keyword of Python"),
        ("Shop", "lower-case letters"),
        ("my-shop", "lower-case letters"),
        ("my shop", "lower-case letters"),
        ("../shop", "lower-case letters"),
        ("1shop", "lower-case letters"),
        ("", "lower-case letters"),
        ("s" * 41, "40 at most"),
    ],
)
def test_a_name_that_no_project_may_have_is_refused_with_the_reason(name: str, problem: str) -> None:
    with pytest.raises(GenerateError, match=problem):
        check_package(name)


def test_an_ordinary_name_is_taken_as_it_is() -> None:
    assert check_package("shop") == "shop"
    assert split_task("invoice.send") == ("invoice", "send")
    assert check_schedule("send-invoices") == "send-invoices"


@pytest.mark.parametrize(
    "name", ["invoice", "invoice.", "Invoice.send", "a.b.c", "class.send", "invoice.try", "in voice.x"]
)
def test_a_task_s_name_is_a_subject_and_a_verb_that_files_can_be_called_by(name: str) -> None:
    with pytest.raises(GenerateError):
        split_task(name)


@pytest.mark.parametrize("name", ["", "Invoices", "send invoices", "-x", 'x"y'])
def test_a_schedule_has_a_name_in_lower_case(name: str) -> None:
    with pytest.raises(GenerateError, match="send-invoices"):
        check_schedule(name)


@pytest.mark.parametrize("name", ["import", "Invoice", "in-voice"])
def test_a_word_is_no_keyword_and_has_no_other_letters(name: str) -> None:
    with pytest.raises(GenerateError, match="cannot be the name of a table"):
        check_word(name, "a table", "invoice")


def test_tables_are_called_by_the_plural() -> None:
    words = ("invoice", "box", "company", "day", "branch", "order_line")
    assert [plural(word) for word in words] == ["invoices", "boxes", "companies", "days", "branches", "order_lines"]


def test_columns_are_read_with_their_types_and_may_be_absent() -> None:
    number, paid = read_columns(["number:text", "paid_at:timestamp?"])
    assert (number.annotation, number.optional) == ("str", False)
    assert (paid.annotation, paid.parameter) == ("datetime | None", "paid_at: datetime | None = None")
    assert imports_of([number, paid], "from datetime import date") == "from datetime import date, datetime\n"


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["number:txt"], "did you mean number:text?"),
        (["number"], "write the type behind the name"),
        (["number:text", "number:text"], "there is a column number already"),
        (["id:integer"], "there is a column id already"),
        (["class:text"], "cannot be the name of a column"),
    ],
)
def test_a_column_that_cannot_be_is_refused(words: list[str], problem: str) -> None:
    with pytest.raises(GenerateError, match=problem):
        read_columns(words, taken=("id",))


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("x = []\n", "x = [\n    1,\n]\n"),
        ("x = [\n]\n", "x = [\n    1,\n]\n"),
        ("x = [0]\n", "x = [0,\n    1,\n]\n"),
        ("x: list[int] = [\n    0,\n]\ny = [2]\n", "x: list[int] = [\n    0,\n    1,\n]\ny = [2]\n"),
        ("x = ['é', [0]]  # a remark\n", "x = ['é', [0],\n    1,\n]  # a remark\n"),
    ],
)
def test_an_entry_is_added_to_a_list_and_the_rest_of_the_file_stays(before: str, after: str) -> None:
    assert add_to_list(before, "x", "    1,") == after


@pytest.mark.parametrize("source", ["", "x = ()\n", "y = []\n", "def f():\n    x = []\n", "x = [0  # a remark\n]\n"])
def test_where_there_is_no_list_to_add_to_the_entry_is_shown(source: str) -> None:
    with pytest.raises(GenerateError, match="add this entry yourself:\n    1,"):
        add_to_list(source, "x", "    1,")


def test_arguments_are_written_as_python_has_them() -> None:
    args = {"a": 'say "hi"', "b": [True, None, 1.5], "c": {"d": "é"}}
    assert literal(args) == '{"a": "say \\"hi\\"", "b": [True, None, 1.5], "c": {"d": "é"}}'
    assert eval(literal(args)) == args  # noqa: S307  what we have just written


def revise(folder: Path, revision: str, before: str) -> None:
    (folder / f"{revision}_x.py").write_text(f"revision: str = {revision!r}\ndown_revision = {before}\n")


def test_a_new_migration_follows_the_last_one(tmp_path: Path) -> None:
    assert find_head(tmp_path) is None
    revise(tmp_path, "b", "None")
    revise(tmp_path, "a", "'b'")
    assert find_head(tmp_path) == "a"
    revise(tmp_path, "c", "'b'")
    with pytest.raises(GenerateError, match=r"has several ends, a_x\.py and c_x\.py"):
        find_head(tmp_path)
    revise(tmp_path, "d", "('a', 'c')")
    assert find_head(tmp_path) == "d"


def test_ids_of_migrations_do_not_collide() -> None:
    assert len({new_revision() for _ in range(1_000)}) == 1_000
