"""The clock, the rows that a statement has changed, and the lists of states have one definition each."""

import re
from pathlib import Path

import pytest

from gristmill.shared.states import State
from tests.source import PACKAGES, ROOT, files, location

STATE = f"'(?:{'|'.join(State)})'"
DEFINED = {
    "shared/database/clock.py": re.compile(
        r"SELECT (?:clock|statement)_timestamp\(\)\s*[\"']|select\(func\.\w+_timestamp"
    ),
    "shared/database/rows.py": re.compile(r"(?<!cursor)\.rowcount|\(\*\*row\)"),
    "shared/states.py": re.compile(rf"{STATE}, {STATE}"),
}


@pytest.mark.parametrize("home", DEFINED)
def test_a_definition_stands_in_its_module_and_nowhere_else(home: str) -> None:
    found = {location(file).rpartition(":")[0] for file in files(*PACKAGES) if is_said(DEFINED[home], file)}
    assert found == {home}


def is_said(definition: re.Pattern[str], file: Path) -> bool:
    return bool(definition.search((ROOT / file).read_text()))
