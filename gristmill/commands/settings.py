"""Load the settings of a command, and the registry of tasks."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gristmill.shared.settings import Settings
    from gristmill.shared.task import Registry


def command_settings() -> "Settings":
    """Return the settings of the environment and `.env`, or else those of the `gristmill up` that runs in this folder.

    Raises:
        SettingsError: with everything that is missing or wrong, and the cure.
    """
    from gristmill.up.environment import given_settings
    from gristmill.up.folder import DEFAULT, read_exports

    given = given_settings()
    if "GRISTMILL_DATABASE_URL" not in given:
        os.environ.update({**read_exports(DEFAULT / "settings"), **given})
    if not os.environ.get("GRISTMILL_DATABASE_URL") and "GRISTMILL_DATABASE_URL" not in given:
        _refuse_elsewhere()
    from gristmill.shared.settings import load_settings

    return load_settings(Path(".env"))


def load_registry() -> "Registry":
    """Return the registry with the tasks of all plugins; importing them takes a third of a second."""
    from gristmill.shared.plugins.load import load_plugins
    from gristmill.shared.task import registry

    load_plugins()

    return registry


def _refuse_elsewhere() -> None:
    """Refuse a command that needs the server, where only the URL of an API is given.

    Raises:
        SettingsError: names the URL, and the commands that work by it.
    """
    from gristmill.backends.target import choose_target
    from gristmill.shared.errors import GristmillError, SettingsError

    try:
        address = choose_target().address
    except GristmillError:  # half a target: what the command lacks is told instead
        return
    if address is not None:
        msg = (
            "This command works on the server, with the database's settings (GRISTMILL_DATABASE_URL and others); here "
            f"is only {address.url} ({address.origin}). By the URL work jobs, dead-letters, queues, schedules, tasks, "
            "producers and keys"
        )
        raise SettingsError(msg)
