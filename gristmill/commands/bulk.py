"""Commands that change several things: who does it, one after the other, each told in a sentence."""

import getpass
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING
from uuid import UUID

import click

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.database.connect import Database


def actor() -> str:
    """Return who calls the command, for the record: `cli:<user>`."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user may have no name
        return f"cli:{os.getuid()}"


@contextmanager
def open_database() -> "Iterator[Database]":
    """Open the platform's database, for more than one transaction."""
    from gristmill.commands.settings import command_settings
    from gristmill.shared.database.connect import Database

    database = Database(command_settings(), application_name="gristmill command", pool_size=1)
    try:
        yield database
    finally:
        database.dispose()


def act_on_each(ids: Sequence[UUID], act: "Callable[[Session, UUID], str]") -> int:
    """Call `act` for each of `ids` in a transaction of its own and say what it returns, or why it could not be done.

    Returns:
        The command's exit code: 1 when one of them could not be done.
    """
    from gristmill.shared.errors import GristmillError

    failed = 0
    with open_database() as database:
        for each in ids:
            try:
                with database.transaction() as session:
                    told = act(session, each)
                click.echo(told)
            except GristmillError as error:
                failed = 1
                details = "".join(f"\n  {path}: {problem}" for path, problem in error.details.items())
                click.echo(f"Error: {error.message}{details}", err=True)
    return failed
