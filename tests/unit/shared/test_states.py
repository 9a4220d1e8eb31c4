"""The sets of states, and how a statement lists them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

from gristmill.shared.states import FINAL, LIVE, WAITING, State, sql_list
from tests.source import PACKAGES, ROOT, files, tree

NAMES = "|".join(State)
LIST = re.compile(rf"'(?:{NAMES})'\s*,\s*'(?:{NAMES})'")


# Work of another hand at this moment: to be emptied.
def test_each_state_is_live_or_final_and_the_live_ones_wait_or_run() -> None:
    assert {*LIVE, *FINAL} == set(State)
    assert not LIVE & FINAL
    assert set(LIVE - WAITING) == {State.RUNNING}


def test_states_are_listed_in_one_order_however_they_are_given() -> None:
    assert sql_list(LIVE) == "'scheduled', 'queued', 'running', 'retrying'"
    assert sql_list([State.RETRYING, State.QUEUED, State.QUEUED]) == "'queued', 'retrying'"
    assert sql_list({State.RUNNING}) == "'running'"


def texts(file: Path) -> Iterator[str]:
    """Yield the strings of a module, with the literal parts of those that are formatted."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.value


def test_no_statement_retypes_a_list_of_states() -> None:
    found = {str(file.relative_to(ROOT)) for file in files(*PACKAGES) if any(LIST.search(text) for text in texts(file))}
    retyped = found - {"shared/states.py"}
    assert not retyped, f"write the lists of {sorted(retyped)} by gristmill.shared.states.sql_list"
