"""Every statement names the schema of the platform's tables: the search path belongs to the team that shares them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from gristmill.migrations.chains import all_chains
from gristmill.shared.database.columns import SCHEMA
from tests.source import ROOT, files, location, tree

OURS = {table.name for chain in all_chains() for table in chain.metadata.tables.values()}
TABLES = "|".join(sorted({*OURS, *(chain.version_table for chain in all_chains())}))
BEFORE_A_TABLE = (
    r"FROM(?: ONLY)?|JOIN|INTO|UPDATE(?: ONLY)?|TRUNCATE|ANALYZE|VACUUM(?: \([^)]*\)| FULL)?"
    r"|(?:LOCK|ALTER|DROP|TRUNCATE) TABLE|LIKE"
)
UNNAMED = re.compile(
    rf"(?<!DISTINCT )\b(?:{BEFORE_A_TABLE})\s+(?:{SCHEMA}\.\w+(?:\s+(?:AS\s+)?\w+)?,\s*)*(?:{TABLES})\b(?![.(])"
    rf"|'(?:{TABLES})'\s*(?:::|AS)\s*regclass|_size\('(?:{TABLES})'"
)
FOLDERS = ("shared", "tasks", "ingress", "workers", "gristmill", "bench", "chaos", "tests")
# Tables of others with the same names: the spool of the client is SQLite, the peers have databases of their own.
OTHERS = (
    "bench/peers/inside",
    "gristmill/client/spool",
    "tests/integration/client",
    "tests/integration/enqueuing",
    "tests/unit/test_schema_named.py",
)
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs" / "sql").glob("*.sql"))]


def unnamed(sql: str) -> list[str]:
    return [" ".join(match.group().split()) for match in UNNAMED.finditer(sql)]


def texts(file: Path) -> Iterator[tuple[ast.AST, str]]:
    """Yield each text of a module but for its docstrings; what an f-string puts in is left out."""
    for node in ast.walk(tree(file)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node, node.value
        if isinstance(node, ast.JoinedStr):
            parts = (each.value if isinstance(each, ast.Constant) else "…" for each in node.values)
            yield node, "".join(map(str, parts))


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT 1 FROM jobs WHERE id = 1",
        "SELECT * FROM gristmill.jobs, outbox",
        "SELECT * FROM gristmill.jobs j, outbox",
        "SELECT 1 FROM (SELECT FROM users) AS u",
        "INSERT INTO outbox (id) VALUES (1)",
        "UPDATE jobs SET state = 'dead'",
        "DELETE FROM ONLY fires",
        "SELECT 1 FROM a LEFT JOIN users ON true",
        "VACUUM (ANALYZE) gristmill.jobs, outbox",
        "SELECT version_num FROM alembic_version",
        "SELECT 'jobs'::regclass",
        "SELECT CAST('jobs' AS regclass)",
    ],
)
def test_a_table_without_its_schema_is_found(sql: str) -> None:
    assert unnamed(sql)


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT jobs.id FROM gristmill.jobs WHERE jobs.state IS DISTINCT FROM jobs.task",
        "SELECT 1 FROM gristmill.jobs FOR UPDATE OF jobs",
        "INSERT INTO gristmill.jobs (id) VALUES (1) ON CONFLICT (id) DO UPDATE SET id = jobs.id",
        "SELECT to_jsonb(jobs) FROM gristmill.jobs, gristmill.outbox",
    ],
)
def test_an_alias_needs_no_schema(sql: str) -> None:
    assert not unnamed(sql)


def test_every_statement_of_the_repository_names_the_schema_of_its_tables() -> None:
    modules = [file for file in files(*FOLDERS) if not str(file.relative_to(ROOT)).startswith(OTHERS)]
    found = [
        f"{location(file, node)}: {each}" for file in modules for node, sql in texts(file) for each in unnamed(sql)
    ]
    assert found == []
    assert sum("gristmill.jobs" in sql for file in modules for _, sql in texts(file)) > 200, "statements were read"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_every_statement_of_a_page_names_the_schema_of_its_tables(page: Path) -> None:
    assert unnamed(page.read_text()) == []
