"""Open the platform's database for a command."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from gristmill.commands.settings import command_settings

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.database.connect import Database


@contextmanager
def open_database() -> "Iterator[Database]":
    """Open the platform's database, for more than one transaction."""
    from gristmill.shared.database.connect import opened

    with opened(command_settings(), application_name="gristmill command") as database:
        yield database


@contextmanager
def transaction() -> "Iterator[Session]":
    """Open one transaction on the platform's database."""
    with open_database() as database, database.transaction() as session:
        yield session
