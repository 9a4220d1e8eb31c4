"""Plugins of a team with tables and migrations: as chains for this process, and as a project in a folder."""

import subprocess
import sys
from pathlib import Path
from textwrap import dedent

from sqlalchemy import Column, Integer, MetaData, Table

from gristmill import process
from gristmill.migrations.chains import Chain
from tests.contexts import NOWHERE

ROOT = Path(__file__).parents[2]
REVISION = '''
"""One of a team."""
import sqlalchemy as sa
from alembic import op

revision = {revision!r}
down_revision = {down!r}


def upgrade() -> None:
    op.execute({sql!r})


def downgrade() -> None:
    pass
'''
MODELS = """
from sqlalchemy import Column, Integer, MetaData, Table, Text

metadata = MetaData()
orders = Table("orders", metadata, Column("id", Integer, primary_key=True), Column("title", Text, nullable=False))
"""
PLUGIN = """
from gristmill import Plugin

plugin = Plugin(name="shop", metadata="shop.models:metadata", migrations="shop:migrations")
"""
PYPROJECT = """
[project]
name = "shop"
version = "1"

[tool.gristmill]
plugin = "shop.mill:plugin"
"""


def shop(folder: Path, name: str = "shop", *tables: str) -> Chain:
    """Return a chain whose revisions are in `folder`, and whose metadata has these tables."""
    folder.mkdir(exist_ok=True, parents=True)
    metadata = MetaData()
    for table in tables:
        Table(table, metadata, Column("id", Integer, primary_key=True))
    return Chain(name, folder, metadata, source=f"{name}.models:metadata")


def revise(chain: Chain, revision: str, down: str | None, sql: str, *, file: str | None = None) -> Path:
    """Write a revision of a chain that executes one statement."""
    path = chain.folder / f"{file or revision}.py"
    path.write_text(REVISION.format(revision=revision, down=down, sql=sql))
    return path


def project(folder: Path, models: str = MODELS) -> Path:
    """Make a project with one table and no migration yet, and return its folder."""
    package = folder / "shop"
    (package / "migrations" / "versions").mkdir(parents=True)
    for name, content in {"__init__.py": "", "models.py": models, "mill.py": PLUGIN}.items():
        (package / name).write_text(dedent(content))
    (folder / "pyproject.toml").write_text(PYPROJECT)
    return folder


def db(folder: Path, url: str, *words: str, **variables: str) -> tuple[int, str]:
    """Run `gristmill db …` in a project, and return its exit code and its output."""
    env = process.plain_environment(
        {**NOWHERE, "GRISTMILL_DATABASE_URL": url, "PYTHONPATH": str(ROOT), "COLUMNS": "200", **variables}
    )
    command = [sys.executable, "-m", "gristmill", "db", *words]
    done = subprocess.run(command, env=env, cwd=folder, capture_output=True, text=True, timeout=120, check=False)
    return done.returncode, done.stdout + done.stderr
