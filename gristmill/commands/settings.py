"""Load a command's settings: from the environment, `.env`, or an `up` that runs in this folder."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gristmill.shared.settings import Settings


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
