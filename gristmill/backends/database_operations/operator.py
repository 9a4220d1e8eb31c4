"""Operator at a terminal of the server: works in the database, sees every job, and is recorded as `cli:<user>`."""

import getpass
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING

from gristmill.shared.base.principal import ADMIN, Principal

if TYPE_CHECKING:
    from gristmill.shared.database.connect import Database


@dataclass(frozen=True, slots=True)
class Operator:
    """The database, and the principal whose changes are recorded."""

    database: "Database"
    principal: Principal

    @property
    def name(self) -> str:
        """The name under which changes are recorded."""
        return self.principal.name


def operator_of(database: "Database") -> Operator:
    """Return the operator who runs this process."""
    return Operator(database, Principal(name=actor(), scopes=frozenset({ADMIN})))


def actor() -> str:
    """Return the name under which a command's changes are recorded: `cli:<user>`."""
    try:
        return f"cli:{getpass.getuser()}"
    except (KeyError, OSError):  # a container's user may have no name
        return f"cli:{os.getuid()}"
