"""The settings of an `up`: what the environment and `.env` say, completed by what it makes itself."""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from gristmill import ports
from gristmill.ports import PortInUseError

PREFIX: Final = "GRISTMILL_"
MAIL_PORT: Final = 8025
_HIGHEST_PORT: Final = 65535


def given_settings(dotenv: Path = Path(".env")) -> dict[str, str]:
    """Return the settings that somebody set: the environment's win over `.env`; empty ones count as not set."""
    from dotenv import dotenv_values

    written = dotenv_values(dotenv) if dotenv.is_file() else {}
    both = {**written, **os.environ}
    return {name: value for name, value in both.items() if name.startswith(PREFIX) and value}


def port_of(given: Mapping[str, str], name: str, default: int) -> int:
    """Return a port from the settings.

    Raises:
        PortInUseError: it is no port.
    """
    text = given.get(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= _HIGHEST_PORT:
        raise PortInUseError(f"{name}={text} is no port: set it to a number from 1 to {_HIGHEST_PORT}")
    return int(text)


def require_free(wanted: Mapping[str, int], host: str) -> None:
    """Refuse ports that are taken, all of them at once.

    Args:
        wanted: The ports, by the setting that changes each.
        host: Where they will be listened on.

    Raises:
        PortInUseError: with the holder of each.
    """
    problems = []
    for setting, port in wanted.items():
        try:
            ports.require_free(port, setting=setting, host=host)
        except PortInUseError as error:
            problems.append(str(error))
    if len(set(wanted.values())) < len(wanted):
        problems.append(f"{', '.join(wanted)} must differ: {', '.join(map(str, wanted.values()))}")
    if problems:
        raise PortInUseError("\n".join(problems))


def child_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of our processes: ours, with `settings` and what Python needs to find this project."""
    root = str(Path(__file__).parents[2])
    search = [root, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    return {**os.environ, **settings, "PYTHONPATH": os.pathsep.join(search), "PYTHONUNBUFFERED": "1"}
