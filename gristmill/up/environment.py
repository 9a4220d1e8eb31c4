"""Read the settings of an `up` from the environment and `.env`, and make the environment of its processes."""

import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from gristmill import ports
from gristmill.children import search_path
from gristmill.ports import PortInUseError

PREFIX: Final = "GRISTMILL_"
_HIGHEST_PORT: Final = 65535


def given_settings(dotenv: Path = Path(".env")) -> dict[str, str]:
    """Return the settings that are set: those of the environment win over `.env`; empty ones count as not set."""
    from dotenv import dotenv_values

    written = dotenv_values(dotenv) if dotenv.is_file() else {}
    both = {**written, **os.environ}
    return {name: value for name, value in both.items() if name.startswith(PREFIX) and value}


def port_of(given: Mapping[str, str], name: str, default: int = 0) -> int:
    """Return a port from the settings.

    Raises:
        PortInUseError: it is no port.
    """
    text = given.get(name, str(default))
    if not text.isdecimal() or not 1 <= int(text) <= _HIGHEST_PORT:
        raise PortInUseError(f"{name}={text} is no port: set it to a number from 1 to {_HIGHEST_PORT}")
    return int(text)


def require_free(wanted: Mapping[str, int], host: str, on_loopback: Mapping[str, int] | None = None) -> None:
    """Refuse ports that are taken or named twice, all of them at once.

    Args:
        wanted: The ports that are listened on at `host`, by the setting that changes each.
        host: The address.
        on_loopback: Further ports, which are listened on at loopback.

    Raises:
        PortInUseError: with the holder of each.
    """
    everything = {**wanted, **(on_loopback or {})}
    hosts = dict.fromkeys(everything, ports.LOOPBACK) | dict.fromkeys(wanted, host)
    problems = [*_taken(everything, hosts), *_named_twice(everything)]
    if problems:
        raise PortInUseError("\n".join(problems))


def _taken(wanted: Mapping[str, int], hosts: Mapping[str, str]) -> Iterator[str]:
    for setting, port in wanted.items():
        try:
            ports.require_free(port, setting=setting, host=hosts[setting])
        except PortInUseError as error:
            yield str(error)


def _named_twice(wanted: Mapping[str, int]) -> list[str]:
    settings: dict[int, list[str]] = {}
    for setting, port in wanted.items():
        settings.setdefault(port, []).append(setting)
    return [f"{' and '.join(names)} must differ: both are {port}" for port, names in settings.items() if len(names) > 1]


def child_environment(settings: Mapping[str, str]) -> dict[str, str]:
    """Return the environment of our processes: ours, with `settings`."""
    inherited = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return {**inherited, **settings, **search_path(), "PYTHONUNBUFFERED": "1"}
