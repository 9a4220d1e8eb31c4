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
    from gristmill.shared.settings import load_settings
    from gristmill.up.environment import given_settings
    from gristmill.up.folder import DEFAULT, read_exports

    given = given_settings()
    if "GRISTMILL_DATABASE_URL" not in given:
        os.environ.update({**read_exports(DEFAULT / "settings"), **given})
    return load_settings(Path(".env"))


def load_registry() -> "Registry":
    """Return the registry with the tasks of all plugins; importing them takes a third of a second."""
    from gristmill.shared.plugins.load import load_plugins
    from gristmill.shared.task import registry

    load_plugins()

    return registry
