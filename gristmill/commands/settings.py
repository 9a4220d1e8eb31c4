"""Where a command's settings come from: the environment, `.env`, or an `up` that runs in this folder."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.settings import Settings


def command_settings() -> "Settings":
    """Return the settings; what neither the environment nor `.env` says is taken from `gristmill up` in this folder.

    Raises:
        SettingsError: with everything that is missing or wrong, and the cure.
    """
    from gristmill.shared.settings import load_settings
    from gristmill.up.environment import given_settings
    from gristmill.up.folder import DEFAULT, read_exports

    given = given_settings()
    if "GRISTMILL_DATABASE_URL" not in given:
        os.environ.update({**read_exports(DEFAULT / "settings"), **given})
    return load_settings(Path(".env"))


@contextmanager
def transaction() -> "Iterator[Session]":
    """Open one transaction on the platform's database."""
    from gristmill.shared.database.connect import Database

    database = Database(command_settings(), application_name="gristmill command", pool_size=1)
    try:
        with database.transaction() as session:
            yield session
    finally:
        database.dispose()
