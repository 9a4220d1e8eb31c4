"""Tables never fold: every row of every table of every command is one line, at 80 columns and at fewer."""

import json
from collections.abc import Iterator

import click
import pytest

from gristmill.cli import cli
from gristmill.output.values import columns_of
from tests.acceptance.operating.conftest import Web
from tests.acceptance.operating.long_values import fill
from tests.acceptance.operating.terminal import open_screen

# The arguments of each command that shows something: the rest of the words are names of `fill`.
ARGUMENTS = {
    "jobs list": "",
    "jobs count": "",
    "jobs show": "DEAD",
    "dead-letters list": "--all",
    "dead-letters count": "",
    "dead-letters groups": "",
    "dead-letters show": "DEAD",
    "queues list": "",
    "queues show": "data_processing_queue",
    "schedules list": "",
    "schedules show": "SCHEDULE",
    "schedules fires": "SCHEDULE",
    "tasks list": "",
    "tasks show": "email.send",
    "producers list": "",
    "producers show": "PRODUCER",
    "keys list": "",
    "profile list": "",
}


def showing() -> list[str]:
    """Return the registered commands that take `-o` and a view."""
    return list(each_showing())


def each_showing() -> Iterator[str]:
    for name in cli.list_commands(click.Context(cli)):
        group = cli.get_command(click.Context(cli), name)
        for inner, command in getattr(group, "commands", {}).items():
            if any(parameter.name == "again" for parameter in command.params):
                yield f"{name} {inner}"


@pytest.fixture(scope="module")
def names(web: Web) -> dict[str, str]:
    return fill(web)


def words(command: str, names: dict[str, str]) -> list[str]:
    return [*command.split(), *(names.get(word, word) for word in ARGUMENTS[command].split())]


def test_every_command_that_shows_something_is_looked_at() -> None:
    assert sorted(showing()) == sorted(ARGUMENTS)


@pytest.mark.parametrize("command", showing())
def test_every_row_is_one_line_that_fits_and_a_wide_one_is_whole(web: Web, names: dict[str, str], command: str) -> None:
    answer = json.loads(web.laptop.says(*words(command, names), "-o", "json"))
    for place, columns in ((web.laptop, 80), (web.laptop, 40), (web.server, 80)):
        lines = place.says(*words(command, names), COLUMNS=str(columns)).splitlines()
        if "items" in answer:
            assert len(answer["items"]) > 0
            assert len(lines) == len(answer["items"]) + 1, lines
        else:  # the tables within
            lines = [line for heading in ("Attempts", "Arguments") for line in part(lines, heading)]
        assert [line for line in lines if columns_of(line) > columns] == []
    wide = web.laptop.says(*words(command, names), "-o", "wide", COLUMNS="80")
    assert ("…" in wide, "\x1b" in wide) == (False, False)
    assert len(wide.splitlines()[0]) >= len(web.laptop.says(*words(command, names), COLUMNS="80").splitlines()[0])


def part(lines: list[str], heading: str) -> list[str]:
    if heading not in lines:
        return []
    rest = lines[lines.index(heading) + 1 :]
    return rest[: rest.index("")] if "" in rest else rest


@pytest.mark.parametrize(
    ("command", "ids"),
    [
        ("jobs list", "id"),
        ("dead-letters list", "id"),
        ("dead-letters groups", "fingerprint"),
        ("queues list", "name"),
        ("tasks list", "name"),
        ("keys list", "id"),
    ],
)
def test_the_own_id_of_a_row_is_whole_at_80_columns(web: Web, names: dict[str, str], command: str, ids: str) -> None:
    shown = web.laptop.says(*words(command, names), COLUMNS="80")
    rows = json.loads(web.laptop.says(*words(command, names), "-o", "json"))["items"]
    assert [row[ids] for row in rows if row[ids] not in shown] == []


def test_colours_are_for_terminals_without_no_color(web: Web, names: dict[str, str]) -> None:
    laptop, command = web.laptop, words("jobs list", names)
    plain = laptop.says(*command)
    coloured = open_screen(*command, env=laptop.env, folder=laptop.folder)
    without = open_screen(*command, env=laptop.env, folder=laptop.folder, NO_COLOR="1")
    assert (coloured.end(), without.end()) == (0, 0)
    assert "\x1b[31mdead\x1b[0m" in coloured.shown
    assert "\x1b" not in plain + without.shown


def test_a_terminal_of_80_columns_shows_rows_of_one_line(web: Web, names: dict[str, str]) -> None:
    laptop = web.laptop
    screen = open_screen("jobs", "list", env=laptop.env, folder=laptop.folder, NO_COLOR="1")
    assert screen.end() == 0
    lines = screen.shown.splitlines()
    assert len(lines) == len(json.loads(laptop.says("jobs", "list", "-o", "json"))["items"]) + 1
    assert max(map(columns_of, lines)) <= 80
