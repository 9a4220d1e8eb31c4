"""Change several things, each in a transaction of its own, and report each in a sentence."""

import getpass
import os
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from uuid import UUID

import click

from gristmill.commands.database import open_database
from gristmill.explain import describe

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def actor() -> str:
    """Return the name under which a command's changes are recorded: `cli:<user>`."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user may have no name
        return f"cli:{os.getuid()}"


def act_on_each(ids: Sequence[UUID], act: "Callable[[Session, UUID], str]") -> int:
    """Call `act` for each of `ids` in a transaction of its own; print what it returns, or the error.

    Returns:
        The command's exit code: 1 when one of them could not be done.
    """
    from gristmill.shared.errors import GristmillError

    failed = 0
    with open_database() as database:
        for each in ids:
            try:
                with database.transaction() as session:
                    report = act(session, each)
                click.echo(report)
            except GristmillError as error:
                failed = 1
                click.echo(f"Error: {describe(error)}", err=True)
    return failed
