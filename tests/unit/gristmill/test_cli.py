"""The command line: what it says, and what it does not load to say it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click import UsageError
from click.testing import CliRunner
from sqlalchemy.exc import OperationalError

from gristmill.cli import cli
from gristmill.commands.new import queue_for
from gristmill.explain import explain
from gristmill.ports import PortInUseError
from gristmill.shared.errors import InvalidArgsError
from gristmill.shared.queues import QUEUES
from gristmill.shared.states import State

ROOT = Path(__file__).parents[3]
EXPLAINED = (
    "Postgres does not answer: connection to postgresql://me:***@db/x failed. Check GRISTMILL_DATABASE_URL, "
    "or start the platform here with `gristmill up`; `gristmill doctor` checks all parts"
)
HEAVY = ("sqlalchemy", "celery", "kombu", "flask", "rich", "structlog", "alembic", "marshmallow", "httpx")


def commands() -> list[list[str]]:
    found: list[list[str]] = []
    for name in cli.list_commands(None):  # type: ignore[arg-type]  # it looks at no context
        command = cli.get_command(None, name)  # type: ignore[arg-type]
        found.append([name])
        found += [[name, inner] for inner in getattr(command, "commands", {})]
    return found


def test_help_loads_nothing_that_takes_time() -> None:
    code = (
        "import sys, gristmill.cli as c; sys.argv = ['gristmill', '--help']; c._run(); "
        f"print([m for m in {HEAVY} if m in sys.modules])"
    )
    asked = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert asked.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("command", commands(), ids=" ".join)
def test_every_command_has_help(command: list[str]) -> None:
    answer = CliRunner().invoke(cli, [*command, "--help"])
    assert answer.exit_code == 0
    assert "Usage: " in answer.output


def test_every_command_that_takes_something_shows_an_example() -> None:
    without = [
        name
        for name in cli.list_commands(None)  # type: ignore[arg-type]
        if "Example" not in CliRunner().invoke(cli, [name, "--help"]).output
    ]
    assert without == []


def test_help_names_the_queues_and_states_of_the_platform() -> None:
    worker, jobs = (CliRunner().invoke(cli, [*words, "--help"]).output for words in (["worker"], ["jobs", "list"]))
    assert "|".join(QUEUES) in re.sub(r"\s+", "", worker)
    assert "|".join(State) in re.sub(r"\s+", "", jobs)


def test_a_wrong_call_ends_with_2_and_names_the_choices() -> None:
    answer = CliRunner().invoke(cli, ["worker", "--queue", "coffee_queue"])
    assert answer.exit_code == 2
    assert "email_queue" in answer.output


@pytest.mark.parametrize(
    ("error", "sentence"),
    [
        (PortInUseError("port 1 is in use: set X to another"), "port 1 is in use: set X to another"),
        (InvalidArgsError("No.", {"args.to": ["is missing"]}), "No.\n  args.to: is missing"),
        (
            OperationalError("SELECT 1", {}, Exception("connection to postgresql://me:secret@db/x failed\nmore")),
            EXPLAINED,
        ),
    ],
)
def test_an_error_that_a_person_can_mend_is_a_plain_sentence(error: Exception, sentence: str) -> None:
    assert explain(error) == sentence


def test_a_fault_of_our_own_is_not_explained_away() -> None:
    assert explain(KeyError("x")) is None


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A copy of what a clone of the project holds for `new task`."""
    for name in ("gristmill", "ingress", "shared", "tasks"):
        shutil.copytree(ROOT / name, tmp_path / name, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", tmp_path)
    return tmp_path


def test_a_new_task_and_its_test_work_as_they_are_written(checkout: Path) -> None:
    written = run(checkout, "gristmill", "new", "task", "report.build")
    line = "from gristmill.tasks.report.build_report import build_report"
    assert line in written
    module, test = "tasks/report/build_report.py", "tests/unit/tasks/test_build_report.py"
    config = ["--config", str(ROOT / "pyproject.toml")]
    run(checkout, "ruff", "check", *config, "tasks/report", test)
    run(checkout, "ruff", "format", "--check", *config, module, "tasks/report/__init__.py", test)
    run(checkout, "pytest", "-q", test)
    registry = checkout / "tasks/__init__.py"
    registry.write_text(f"{registry.read_text()}\n{line}\n")
    assert "report.build" in run(checkout, "gristmill", "tasks", "list")


def test_a_second_task_of_a_subject_goes_into_its_folder(checkout: Path) -> None:
    run(checkout, "gristmill", "new", "task", "report.build")
    package = checkout / "tasks/report/__init__.py"
    package.write_text('"""Reports."""\n')
    run(checkout, "gristmill", "new", "task", "report.send")
    assert (checkout / "tasks/report/send_report.py").is_file()
    assert package.read_text() == '"""Reports."""\n'


def test_a_new_task_is_written_nowhere_but_in_the_clone_that_loads_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    foreign = tmp_path / "tasks" / "__init__.py"
    foreign.parent.mkdir()
    foreign.touch()
    monkeypatch.chdir(tmp_path)
    answer = CliRunner().invoke(cli, ["new", "task", "report.build"])
    assert answer.exit_code == 1
    assert f"cd {ROOT}" in answer.output
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == [foreign]


def test_a_new_task_goes_to_the_queue_of_its_subject_or_to_the_one_asked_for() -> None:
    assert queue_for("user", None) == "user_queue"
    assert queue_for("report", None) == queue_for("priority", None) == "data_processing_queue"
    assert queue_for("report", "email_queue") == "email_queue"
    with pytest.raises(UsageError, match="choose one of user_queue"):
        queue_for("report", "coffee_queue")


def run(checkout: Path, *module: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-P", "-m", *module],
        cwd=checkout,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stdout + ended.stderr
    return ended.stdout


@pytest.mark.parametrize("name", ["Report.build", "report", "report.", "re port.build"])
def test_a_task_needs_a_name_of_subject_and_verb(name: str) -> None:
    answer = CliRunner().invoke(cli, ["new", "task", name])
    assert answer.exit_code == 2
    assert "report.build" in answer.output


def test_a_name_that_is_taken_is_refused() -> None:
    answer = CliRunner().invoke(cli, ["new", "task", "email.send"])
    assert answer.exit_code == 1
    assert "gristmill.tasks.mail.send_email" in answer.output
