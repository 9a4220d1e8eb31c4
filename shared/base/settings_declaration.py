"""Declare settings as fields of a dataclass: parser, validation, default, secrecy and description of each.

The constructors below return a dataclass field, and say that they return the value that it will hold, so that the
attribute is typed. `declared` reads the declarations back, for the loader and for the reference page.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields
from typing import Any, Final, Literal
from urllib.parse import urlsplit

from marshmallow import ValidationError
from marshmallow.validate import Length, OneOf, Range

from gristmill.shared.base.secret import Secret

PREFIX: Final = "GRISTMILL_"
REQUIRED: Final = object()  # the default of a setting that has none

Check = Callable[[Any], Any]
_KEY: Final = "setting"  # of the metadata of a dataclass field


@dataclass(eq=False, repr=False, kw_only=True)  # the rest would lengthen the start of each process
class Setting:
    """One setting as it is declared.

    Attributes:
        text: its description, in a sentence.
        group: the heading under which it is described.
        attribute: the name of its field.
        parser: the method of `environs.Env` that reads it.
        check: raises marshmallow's ValidationError for a value that is not valid; never repeats a secret one.
        allowed: the valid values, in words.
        default: REQUIRED when there is none.
        example: a value to show where there is no default.
    """

    text: str
    group: str = ""
    attribute: str = ""
    parser: Literal["str", "int", "float", "bool", "list"] = "str"
    check: Check | None = None
    allowed: str = ""
    default: Any = None
    secret: bool = False
    example: str = ""

    @property
    def variable(self) -> str:
        """The name of its environment variable."""
        return PREFIX + self.attribute.upper()

    @property
    def required(self) -> bool:
        """True if no process can start without it."""
        return self.default is REQUIRED


def declared(kind: type[Any]) -> tuple[Setting, ...]:
    """Return the settings that the dataclass `kind` declares, in order. Without a group one is in that before it."""
    settings: list[Setting] = []
    group = ""
    for each in fields(kind):
        setting: Setting = each.metadata[_KEY]
        group = setting.group or group
        setting.attribute, setting.group = each.name, group
        settings.append(setting)
    return tuple(settings)


def required_secret(*schemes: str, text: str, example: str, shortest: int = 0, group: str = "") -> Secret:
    """Declare a secret that each process needs: a URL of one of `schemes`, or `shortest` characters."""
    check = url_of(*schemes) if schemes else at_least(shortest)
    secret: Secret = _declare(
        Setting(text=text, group=group, check=check, default=REQUIRED, secret=True, example=example)
    )
    return secret


def optional_secret(*schemes: str, text: str, group: str = "") -> Secret | None:
    """Declare a secret that may be absent; where `schemes` are given it is a URL."""
    secret: Secret | None = _declare(
        Setting(text=text, group=group, check=url_of(*schemes) if schemes else None, secret=True)
    )
    return secret


def string(default: str, *, text: str, schemes: tuple[str, ...] = (), group: str = "") -> str:
    """Declare a text; where `schemes` are given it is a URL."""
    check = url_of(*schemes) if schemes else None
    declared_string: str = _declare(Setting(text=text, group=group, check=check, default=default))
    return declared_string


def choice(default: str, *, among: tuple[str, ...], text: str, group: str = "") -> str:
    """Declare one of several words."""
    words = ", ".join(among)
    chosen: str = _declare(Setting(text=text, group=group, check=OneOf(among), allowed=words, default=default))
    return chosen


def integer(default: int, *, between: tuple[int, int], text: str, group: str = "") -> int:
    """Declare a whole number; both bounds are allowed."""
    declared_integer: int = _declare(_bounded("int", default, between, text=text, group=group))
    return declared_integer


def seconds(default: float, *, between: tuple[float, float], text: str, group: str = "") -> float:
    """Declare a time in seconds, fractions too; both bounds are allowed."""
    declared_seconds: float = _declare(_bounded("float", default, between, text=text, group=group))
    return declared_seconds


def flag(*, text: str, group: str = "") -> bool:
    """Declare a switch that is off by default."""
    switch: bool = _declare(Setting(text=text, group=group, parser="bool", default=False, allowed="True, False"))
    return switch


def origins(*, text: str, group: str = "") -> tuple[str, ...]:
    """Declare a list of web origins, separated by commas, empty by default."""
    none: tuple[str, ...] = _declare(Setting(text=text, group=group, parser="list", check=_are_origins, default=[]))
    return none


def names(*, text: str, group: str = "") -> tuple[str, ...]:
    """Declare a list of names, separated by commas, empty by default."""
    none: tuple[str, ...] = _declare(Setting(text=text, group=group, parser="list", default=[]))
    return none


def _declare(setting: Setting) -> Any:
    return field(metadata={_KEY: setting})


def _bounded(
    parser: Literal["int", "float"], default: float, between: tuple[float, float], *, text: str, group: str
) -> Setting:
    low, high = between
    allowed = f"{low} to {high}"
    return Setting(text=text, group=group, parser=parser, default=default, check=Range(low, high), allowed=allowed)


def at_least(characters: int) -> Check:
    """Return a check that refuses a shorter text, and never repeats it."""
    error = "is too short: at least {min} characters, for instance from `openssl rand -hex 32`"
    return Length(min=characters, error=error)


def url_of(*schemes: str) -> Check:
    """Return a check that takes URLs of `schemes`, and never repeats the URL: it may hold a password."""

    def check(value: str) -> str:
        try:
            scheme = urlsplit(value).scheme
        except ValueError:
            scheme = ""
        if scheme not in schemes:
            wanted = " or ".join(f"{name}://" for name in schemes)
            raise ValidationError(f"must be a URL that begins with {wanted}")
        return value

    return check


def _are_origins(values: list[str]) -> list[str]:
    """Accept origins as a browser sends them: scheme, host, and a port that is not the scheme's."""
    for value in values:
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or f"{parts.scheme}://{parts.netloc}" != value or not parts.hostname:
            raise ValidationError("must be origins like https://console.example.com, without a path, parted by commas")
    return values
