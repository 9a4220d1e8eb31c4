"""A generated project: lint, types and tests pass as it is written, with every part added."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[4]
FIELDS = [
    "note:text",
    "amount:decimal",
    "due:date?",
    "done_at:timestamp",
    "ok:boolean?",
    "ref:uuid",
    "n:integer",
    "b:bigint",
]


def call(folder: Path, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
    """Run `python -m …` in a folder, with the platform of this clone and none of its settings."""
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("GRISTMILL_", "PYTEST_"))}
    return subprocess.run(
        [sys.executable, "-P", "-m", *words],
        cwd=folder,
        env={**ours, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )


def gristmill(folder: Path, *words: str) -> str:
    ended = call(folder, "gristmill", *words)
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


def refused(folder: Path, *words: str) -> str:
    before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"}
    ended = call(folder, "gristmill", *words)
    assert ended.returncode in (1, 2), ended.stdout
    assert "Traceback" not in ended.stderr
    assert {path: path.read_bytes() for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"} == before
    return " ".join(ended.stderr.split())


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    said = gristmill(tmp_path, "init", "shop")
    assert "cd shop" in said
    return tmp_path / "shop"


@pytest.fixture
def full(shop: Path) -> Path:
    """A project with parts of every kind, with and without columns."""
    gristmill(shop, "new", "task", "invoice.send", *FIELDS)
    gristmill(shop, "new", "task", "parcel.track", "--effects", "outside", "--queue", "priority_queue")
    gristmill(shop, "new", "table", "invoice", *FIELDS)
    gristmill(shop, "new", "table", "parcel")
    gristmill(shop, "new", "template", "invoice")
    when = ["--cron", "30 7 * * mon-fri", "--timezone", "Europe/Berlin"]
    gristmill(shop, "new", "schedule", "parcels", "--task", "parcel.track", *when)
    args = '{"name": "Somebody whose name is long", "to": "somebody.whose.name.is.long@mail.example.com"}'
    gristmill(shop, "new", "schedule", "greetings", "--task", "greeting.send", *when, "--args", args)
    return shop


def test_it_is_linted_formatted_and_loaded_as_it_is_written(full: Path) -> None:
    for words in (["ruff", "check", "."], ["ruff", "format", "--check", "."]):
        ended = call(full, *words)
        assert ended.returncode == 0, ended.stdout
    listed = gristmill(full, "tasks", "list", "--json")
    assert all(f'"{name}"' in listed for name in ("greeting.send", "invoice.send", "parcel.track"))


@pytest.mark.long
@pytest.mark.parametrize("words", [["mypy", "--no-incremental"], ["pytest", "-q"]], ids=["types", "tests"])
def test_its_types_and_tests_pass_as_it_is_written(full: Path, words: list[str]) -> None:
    ended = call(full, *words)
    assert ended.returncode == 0, ended.stdout + ended.stderr


def test_a_project_can_be_written_beside_other_files_and_overwrites_none(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    gristmill(tmp_path, "init", "shop", ".")
    assert (tmp_path / "shop" / "mill.py").is_file()
    assert "pyproject.toml, shop, shop/__init__.py" in refused(tmp_path, "init", "shop", ".").replace(
        ".gitignore, ", ""
    )
    other = refused(tmp_path, "init", "mill", ".")
    assert "exists in" in other
    assert "Nothing was written" in other


@pytest.mark.parametrize("name", ["queue", "gristmill", "celery", "class", "My-Shop", "."])
def test_a_project_gets_no_name_that_python_or_a_package_has(tmp_path: Path, name: str) -> None:
    refused(tmp_path, "init", name)


@pytest.mark.parametrize(
    ("words", "problem"),
    [
        (["task", "greeting.send"], "greeting.send exists, in shop.jobs.send_greeting: choose another name"),
        (["task", "invoice"], "does not read like `invoice.send`"),
        (["task", "invoice.send", "--queue", "shop_quee"], "did you mean shop_queue? there are user_queue"),
        (["task", "invoice.send", "ctx:text"], "there is a column ctx already"),
        (["table", "greeting"], "shop/models/greeting.py exists"),
        (["table", "Invoice"], "cannot be the name of a table"),
        (["table", "invoice", "number:txt"], "did you mean number:text?"),
        (["template", "greeting"], "greeting is a template of the plugin shop"),
        (["template", "welcome"], "welcome is a template of the plugin mail"),
        (["schedule", "x", "--task", "greeting.sent", "--cron", "* * * * *"], "did you mean greeting.send?"),
        (["schedule", "x", "--task", "greeting.send", "--cron", "* * * * *"], "args.name"),
        (["schedule", "x", "--task", "greeting.send", "--cron", "61 7 * * *"], "is no cron expression"),
        (["schedule", "greet-the-team", "--task", "greeting.send", "--cron", "* * * * *"], "there is a schedule greet"),
        (["schedule", "x", "--task", "greeting.send", "--cron", "* * * * *", "--args", "{"], "--args is not JSON"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_a_part_that_cannot_be_is_refused_and_nothing_is_written(shop: Path, words: list[str], problem: str) -> None:
    assert problem in refused(shop, "new", *words)


def test_a_mistake_in_a_file_of_the_project_is_told_plainly(shop: Path) -> None:
    (shop / "shop" / "jobs" / "send_greeting.py").write_text("x = = 1\n")
    said = refused(shop, "new", "task", "invoice.send")
    assert "SyntaxError: invalid syntax" in said
    assert "tasks of the plugin shop" in said


def test_outside_of_a_project_it_says_where_to_go(tmp_path: Path, shop: Path) -> None:
    assert "make one with `gristmill init shop`, then `cd shop`" in refused(tmp_path, "new", "task", "invoice.send")
    assert f"run it in {shop}" in refused(shop / "shop" / "jobs", "new", "task", "invoice.send")


def test_a_new_task_goes_to_the_queue_of_its_subject_or_of_the_project_or_to_the_one_asked_for(shop: Path) -> None:
    for name, options, queue in (
        ("email.sort", [], "email_queue"),
        ("report.build", [], "shop_queue"),
        ("report.send", ["--queue", "user_queue"], "user_queue"),
    ):
        gristmill(shop, "new", "task", name, *options)
        subject, _, verb = name.partition(".")
        assert f'queue="{queue}"' in (shop / "shop" / "jobs" / f"{verb}_{subject}.py").read_text()
