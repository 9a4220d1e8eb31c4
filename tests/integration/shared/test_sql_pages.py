"""The pages under docs/sql show the executed statements, and Postgres can explain each of them."""

import re
from contextlib import closing

import pytest
from sqlalchemy import text

from gristmill.shared.database.connect import Database
from gristmill.shared.jobs import moves
from gristmill.shared.states import Move
from tests.sql_layout import lay_out, tokens_of
from tests.sql_pages import FOLDER, Page, collect

MOST = 110  # characters a line: a name or a literal is not broken
PAGES = collect()
BIND = re.compile(r"(?<![:\w]):([a-z_]\w*)")


def test_each_statement_has_a_page_that_shows_it_and_no_page_is_left_over() -> None:
    written = {file.stem: file.read_text() for file in FOLDER.glob("*.sql")}
    assert written == {name: page.text for name, page in PAGES.items()}, "run `python -m tests.sql_pages`"


def test_each_move_has_a_page_and_is_executed_by_the_function_of_its_name() -> None:
    executed = {(page.move, function.rpartition(".")[2]) for page in PAGES.values() for function in page.functions}
    assert {(move, function) for move, function in executed if move is not None} == {(move, move) for move in Move}
    assert all(callable(getattr(moves, move)) for move in Move)


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_a_page_differs_from_the_executed_statement_in_whitespace_only(page: Page) -> None:
    assert page.functions, "no function executes it"
    assert tokens_of(lay_out(page.sql)) == tokens_of(page.sql)
    assert max(map(len, page.text.splitlines())) <= MOST


@pytest.mark.parametrize("page", PAGES.values(), ids=PAGES)
def test_postgres_explains_what_a_page_shows(database: Database, page: Page) -> None:
    names = list(dict.fromkeys(BIND.findall(page.sql)))
    numbered = BIND.sub(lambda found: f"${names.index(found[1]) + 1}", page.text)
    with database.engine.connect() as connection, closing(connection.connection.cursor()) as cursor:
        (version,) = connection.execute(text("SELECT current_setting('server_version_num')::int")).one()
        if version < 160_000:  # GENERIC_PLAN came with 16: an older server only prepares the statement
            cursor.execute(f"PREPARE page AS {numbered}")
        else:
            cursor.execute(f"EXPLAIN (GENERIC_PLAN) {numbered}")
            assert cursor.fetchone() is not None
