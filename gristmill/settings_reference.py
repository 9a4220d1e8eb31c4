"""Write `.env.example` and `docs/configuration.md` from the declaration of the settings.

Run `python -m gristmill.settings_reference` in a clone after a setting has changed; a test compares the files.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import groupby
from pathlib import Path
from textwrap import wrap
from typing import Final

from gristmill.shared.base.settings_declaration import Setting
from gristmill.shared.settings import DECLARED
from gristmill.up.settings import UP_SETTINGS

COMMAND: Final = "python -m gristmill.settings_reference"
SETTINGS: Final = (*DECLARED, *UP_SETTINGS)
ROOT: Final = Path(__file__).resolve().parents[1]

_LINE: Final = 120  # characters
_COMPOSE_PASSWORDS: Final = ("POSTGRES_PASSWORD", "RABBITMQ_PASSWORD", "VALKEY_PASSWORD")
_EXAMPLE_HEAD: Final = f"""\
# Every setting, with its default. Copy to .env and change what you need: cp .env.example .env && chmod 600 .env
# `gristmill up` needs none: it makes its own Postgres, Valkey, mail catcher and keys. A setting replaces its part.
# Made by `{COMMAND}` from shared/settings.py: change it there.
"""
_PAGE_HEAD: Final = f"""\
# Configuration

Settings are environment variables. Those that the environment lacks are read from a file `.env` in the working folder.
A process that starts reports all settings that are missing or wrong together. `gristmill up` needs none of them: it
makes its own Postgres, Valkey, mail catcher and keys, and a setting replaces its part.

No secret is shown in a log line, an error or a report. [.env.example](../.env.example) lists the same settings, ready
to copy.

This page is made by `{COMMAND}` from `shared/settings.py`.
"""


def env_example(settings: Sequence[Setting] = SETTINGS) -> str:
    """Return the text of `.env.example`."""
    return _EXAMPLE_HEAD + _by_group(settings, _example_group) + _compose_example()


def configuration_page(settings: Sequence[Setting] = SETTINGS) -> str:
    """Return the text of `docs/configuration.md`."""
    return _PAGE_HEAD + _by_group(settings, _page_group) + _compose_page()


FILES: Final[dict[str, Callable[[], str]]] = {".env.example": env_example, "docs/configuration.md": configuration_page}


def _by_group(settings: Sequence[Setting], write: Callable[[str, list[Setting]], str]) -> str:
    grouped = groupby(settings, key=lambda setting: setting.group)
    return "".join("\n" + write(group, list(members)) for group, members in grouped)


def _example_group(group: str, settings: list[Setting]) -> str:
    lines = [f"# --- {group} ---"]
    for setting in settings:
        lines += wrap(setting.text, _LINE, initial_indent="# ", subsequent_indent="# ", break_on_hyphens=False)
        lines.append(f"# {setting.variable}={_example_value(setting)}")
    return "\n".join(lines) + "\n"


def _example_value(setting: Setting) -> str:
    if setting.required:
        return "" if setting.example.startswith("<") else setting.example
    return _default(setting)


def _page_group(group: str, settings: list[Setting]) -> str:
    rows = [f"## {group}", "", "| setting | default | meaning | secret |", "| --- | --- | --- | --- |"]
    for setting in settings:
        default = "required" if setting.required else f"`{_default(setting)}`" if _default(setting) else "none"
        rows.append(f"| `{setting.variable}` | {default} | {_meaning(setting)} | {'yes' if setting.secret else ''} |")
    return "\n".join(rows) + "\n"


def _meaning(setting: Setting) -> str:
    meaning = f"{setting.text} Values: {setting.allowed}." if setting.allowed else setting.text
    return meaning.replace("|", "\\|")


def _default(setting: Setting) -> str:
    if setting.default is None:
        return ""
    return ",".join(setting.default) if isinstance(setting.default, list) else str(setting.default)


def _compose_example() -> str:
    lines = [
        "# --- For docker-compose.yaml only ---",
        "# It needs these three, GRISTMILL_SECRET_KEY and GRISTMILL_FLOWER_PASSWORD, each from: openssl rand -hex 32",
        *(f"# {name}=" for name in _COMPOSE_PASSWORDS),
    ]
    return "\n" + "\n".join(lines) + "\n"


def _compose_page() -> str:
    names = ", ".join(f"`{name}`" for name in _COMPOSE_PASSWORDS)
    return f"""
## For docker-compose.yaml

It sets the URLs by itself. It needs `GRISTMILL_SECRET_KEY`, `GRISTMILL_FLOWER_PASSWORD` and three passwords that no
process reads: {names}. Each may be the output of `openssl rand -hex 32`.
"""


def main() -> None:
    """Write the files."""
    for name, made in FILES.items():
        (ROOT / name).write_text(made())


if __name__ == "__main__":
    main()
