"""The schema's history: Alembic revisions, and the way to apply them."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from sqlalchemy import create_engine, text
from sqlalchemy.exc import ProgrammingError
from sqlalchemy.orm import Session

from gristmill.shared.database.connect import driver_url


def alembic_config(database_url: str) -> Config:
    """Return Alembic's configuration for `database_url`; there is no alembic.ini that could differ from it."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent))
    config.attributes["database_url"] = database_url
    return config


def upgrade(database_url: str, revision: str = "head") -> None:
    """Bring the schema to `revision`. Several processes may call it at once: one works, the others find it done."""
    command.upgrade(alembic_config(database_url), revision)


def head() -> str:
    """Return the revision that this code needs."""
    revision = ScriptDirectory.from_config(alembic_config("")).get_current_head()
    assert revision is not None  # noqa: S101  there is a first revision in this package
    return revision


def current(session: Session) -> str | None:
    """Return the revision that the database has, None when it has none."""
    try:
        with session.begin_nested():
            return session.execute(text("SELECT version_num FROM alembic_version")).scalar_one_or_none()
    except ProgrammingError:
        return None


def database_is_current(database_url: str) -> bool:
    """Say whether the database has the revision that this code needs."""
    engine = create_engine(driver_url(database_url))
    try:
        with Session(engine) as session:
            return current(session) == head()
    finally:
        engine.dispose()
