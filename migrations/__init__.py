"""Apply the revisions of the schema by Alembic.

Revisions are numbered in the order in which they were begun. None with the numbers 0007, 0012 or 0014 to 0025 was ever
committed, so these are gaps; each revision names the one before it.
"""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session


def alembic_config(database_url: str) -> Config:
    """Return the configuration of Alembic for `database_url`. There is no alembic.ini that could differ from it."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["database_url"] = database_url
    return config


def upgrade(database_url: str, revision: str = "head") -> None:
    """Upgrade the schema to `revision`. Several processes may call this at once: one upgrades, the others wait."""
    command.upgrade(alembic_config(database_url), revision)


def head() -> str:
    """Return the revision that this code needs."""
    revision = ScriptDirectory.from_config(alembic_config("")).get_current_head()
    assert revision is not None  # noqa: S101  there is a first revision in this package
    return revision


def current(session: Session) -> str | None:
    """Return the revision of the database, None when it has none."""
    try:
        with session.begin_nested():
            return session.execute(text("SELECT version_num FROM gristmill.alembic_version")).scalar_one_or_none()
    except ProgrammingError:
        return None
