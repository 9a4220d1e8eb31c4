"""No statement of the platform asks for the time in a way that a test with a clock of its own cannot move."""

import re

import pytest

from tests.source import ROOT, files, location

FOLDERS = ("shared", "tasks", "workers", "ingress", "migrations", "gristmill")
# Keywords, which no search path hides, and functions that are named with their schema.
FIXED = re.compile(
    r"\b(?i:CURRENT_(?:TIMESTAMP|DATE|TIME))\b|\bLOCAL(?:TIMESTAMP|TIME)\b|func\.localtime"
    r"|pg_catalog\.(?:now|\w+_timestamp)\b|'now'::"
)
CLOCK = ROOT / "gristmill" / "testing" / "queries_clock.py"  # it is made of those of Postgres


def test_every_statement_asks_a_clock_that_moves() -> None:
    found = [location(file) for file in files(*FOLDERS) if file != CLOCK and FIXED.search(file.read_text())]
    assert found == []


@pytest.mark.parametrize(
    "statement",
    ["SELECT current_date", "DEFAULT CURRENT_TIMESTAMP", "func.current_timestamp()", "SELECT pg_catalog.now()"],
)
def test_a_clock_that_stays_is_found(statement: str) -> None:
    assert FIXED.search(statement)
