"""Advice in messages: each command that one names exists, and none is advised by itself."""

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.testing import CliRunner
from kombu.exceptions import OperationalError as BrokerError
from sqlalchemy.exc import OperationalError, ProgrammingError

from gristmill.cli import cli
from gristmill.explain import explain
from gristmill.process import ServiceFailedError
from gristmill.shared.errors import SettingsError

ROOT = Path(__file__).parents[3]
ROOMS = ("gristmill", "ingress", "migrations", "shared", "tasks", "workers")
UNKNOWN = "…"  # stands for what a message puts in at run time
ERRORS = (
    OperationalError("SELECT 1", {}, Exception("refused")),
    ProgrammingError("SELECT 1", {}, Exception("no such table")),
    BrokerError("refused"),
    SettingsError("WEB_THREADS is no number.\n`gristmill up` (or `make up`) sets all of them."),
)


def texts(tree: ast.AST) -> Iterator[str]:
    """Every text of a module; an f-string with `…` for its values."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value
        elif isinstance(node, ast.JoinedStr):
            yield "".join(str(part.value) if isinstance(part, ast.Constant) else UNKNOWN for part in node.values)


def advised() -> list[str]:
    files = (file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py")))
    found = {text for file in files for text in texts(ast.parse(file.read_text()))}
    quoted = {command for text in found for command in re.findall(r"`gristmill ([a-z][^`]*)`", text)}
    examples = {
        line for text in found for line in re.findall(r"^ {6}(?:[A-Z_]+=\S+ )*gristmill (\S.*)$", text, re.MULTILINE)
    }
    return sorted(quoted | {re.split(r" {2,}", line)[0] for line in examples})


def path_of(line: str) -> tuple[list[str], click.Command]:
    """The words of a command, and the command; as far as groups go."""
    path: list[str] = []
    command: click.Command = cli
    for word in line.split():
        if not isinstance(command, click.Group) or (inner := command.get_command(click.Context(command), word)) is None:
            break
        path, command = [*path, word], inner
    return path, command


def commands(group: click.Group = cli, path: tuple[str, ...] = ()) -> Iterator[tuple[str, click.Command]]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from commands(command, (*path, name))
        else:
            yield " ".join((*path, name)), command


@pytest.mark.parametrize("line", advised())
def test_every_command_that_a_message_names_exists_with_its_options(line: str) -> None:
    path, command = path_of(line)
    rest = line.split()[len(path) :]
    assert path
    assert not isinstance(command, click.Group) or rest in ([], [UNKNOWN])
    assert CliRunner().invoke(cli, [*path, "--help"]).exit_code == 0
    options = {option for parameter in command.params for option in parameter.opts}
    assert {word.partition("=")[0] for word in rest if word.startswith("--")} <= options


@pytest.mark.parametrize(("path", "command"), list(commands()), ids=[path for path, _ in commands()])
def test_no_command_advises_itself(path: str, command: click.Command) -> None:
    assert command.callback is not None
    source = ast.parse(textwrap.dedent(inspect.getsource(inspect.unwrap(command.callback))))
    (function,) = source.body
    assert isinstance(function, ast.FunctionDef)
    said = " ".join(text for text in texts(function) if text != ast.get_docstring(function, clean=False))
    assert f"`gristmill {path}" not in said
    for error in ERRORS:
        assert f"`gristmill {path}" not in (explain(error, running=path) or "")


def test_a_message_that_begins_with_the_running_command_is_kept() -> None:
    message = "`gristmill up` runs in /x already (pid 1): use that one"
    assert explain(ServiceFailedError(message), running="up") == message


def test_a_command_that_is_not_the_running_one_is_advised() -> None:
    assert "`gristmill db upgrade`" in (explain(ERRORS[1], running="jobs list") or "")
    assert "`gristmill doctor`" in (explain(ERRORS[2], running="relay") or "")
    assert "`gristmill up`" in (explain(ERRORS[3], running="relay") or "")
