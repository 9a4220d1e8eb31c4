"""Load declared settings from the environment and a `.env` file, and report all that is missing or wrong together."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from environs import Env, EnvValidationError

from gristmill.shared.base.secret import Secret
from gristmill.shared.base.settings_declaration import PREFIX, Setting
from gristmill.shared.errors import SettingsError


def load(settings: Sequence[Setting], dotenv: Path | None) -> dict[str, Any]:
    """Return the values of `settings` by attribute, secrets as `Secret`.

    Args:
        settings: as `declared` returns them.
        dotenv: a file of `NAME=value` lines for what the environment lacks; a missing file is not an error.

    Raises:
        SettingsError: with every setting that is missing or wrong, and what to do about each.
    """
    env = Env(eager=False, prefix=PREFIX)
    if dotenv is not None and dotenv.is_file():
        env.read_env(str(dotenv), recurse=False, override=False)
    values = {setting.attribute: _read(env, setting) for setting in settings}
    try:
        env.seal()
    except EnvValidationError as error:
        raise SettingsError(_explain(error.error_messages, settings)) from None
    return {setting.attribute: _typed(setting, values[setting.attribute]) for setting in settings}


def as_environment(settings: Sequence[Setting], holder: object) -> dict[str, str]:
    """Return the values that `holder` has for `settings` as environment variables. Holds secrets: never print it."""
    made: dict[str, str] = {}
    for setting in settings:
        value = getattr(holder, setting.attribute)
        if isinstance(value, tuple):
            value = ",".join(value) or None
        if value is not None:
            made[setting.variable] = value.reveal() if isinstance(value, Secret) else str(value)
    return made


def _read(env: Env, setting: Setting) -> Any:
    default = () if setting.required else (setting.default,)
    return getattr(env, setting.parser)(setting.attribute.upper(), *default, validate=setting.check)


def _typed(setting: Setting, value: Any) -> Any:
    if setting.secret and isinstance(value, str):
        return Secret(value)
    return tuple(value) if setting.parser == "list" else value


def _explain(problems: Any, settings: Sequence[Setting]) -> str:
    examples = {setting.variable: setting.example for setting in settings}
    lines = ["The settings are not complete. Set these in the environment or in .env:"]
    for name, messages in sorted(problems.items()):
        variable = PREFIX + name.removeprefix(PREFIX)
        text = " ".join(messages) if isinstance(messages, list) else str(messages)
        if "not set" in text:
            text = f"is missing; for instance {variable}={examples[variable] or '…'}"
        lines.append(f"  {variable} {text}")
    lines.append("`gristmill up` (or `make up`) sets all of them for a local platform.")
    return "\n".join(lines)
