"""The command line: what it says, and what it does not load to say it."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from sqlalchemy.exc import OperationalError

from gristmill.cli import cli
from gristmill.explain import explain
from gristmill.ports import PortInUseError
from gristmill.shared.errors import InvalidArgsError
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


def test_help_names_the_states_of_a_job() -> None:
    jobs = CliRunner().invoke(cli, ["jobs", "list", "--help"]).output
    assert "|".join(State) in re.sub(r"\s+", "", jobs)


def test_a_wrong_call_ends_with_2_and_names_the_choices() -> None:
    command = [sys.executable, "-m", "gristmill", "worker", "--queue", "coffee_queue"]
    urls = {
        "DATABASE_URL": "postgresql://h/d",
        "BROKER_URL": "amqp://h",
        "REDIS_URL": "redis://h",
        "SMTP_URL": "smtp://h",
    }
    env = os.environ | {f"GRISTMILL_{name}": url for name, url in urls.items()} | {"GRISTMILL_SECRET_KEY": "s" * 32}
    answer = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False, env=env)
    assert answer.returncode == 2
    assert "no queue is called 'coffee_queue'; there are user_queue, email_queue" in answer.stderr


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
