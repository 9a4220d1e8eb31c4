"""Keep the URLs and keys of several platforms: `gristmill profile`."""

import os
import sys
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import click

from gristmill.output.table import Column, plain, table
from gristmill.output.values import text_of
from gristmill.output.view import View, view_options

if TYPE_CHECKING:
    from gristmill.backends.profiles import Profile

PROFILES: Final = (
    Column(name="IN USE", value=lambda row, _paper: "*" if row["in_use"] else ""),
    Column(name="GUARDED", value=lambda row, _paper: "yes" if row["guarded"] else ""),
    plain("KEY", "key", least=6),
    plain("PROFILE", "name", is_id=True),
    plain("URL", "url", least=10),
)
_LONGEST_KEY: Final = 4_096


@click.group()
def profile() -> None:
    """Keep the URLs and keys of several platforms, and choose the one that commands work on.

    \b
    Examples:
      gristmill profile add staging --url https://mill.staging.example.com
      gristmill profile add production --url https://mill.example.com --guarded --key-stdin < key.txt
      gristmill profile use staging
      gristmill profile list
      gristmill jobs list --profile production
      gristmill profile remove staging

    They are kept in $XDG_CONFIG_HOME/gristmill or ~/.config/gristmill, in a file that only you can read.
    GRISTMILL_URL and GRISTMILL_API_KEY win over the profile in use; GRISTMILL_PROFILE names another one.
    """  # noqa: D301  click's mark for text that is not to be wrapped


@profile.command()
@click.argument("name")
@click.option("--url", required=True, help="The URL of its API, such as https://mill.example.com.")
@click.option("--guarded", is_flag=True, help="Acts on many jobs ask for the name of the profile.")
@click.option("--key-stdin", is_flag=True, help="Read the key from standard input.")
@click.option("--no-key", is_flag=True, help="Keep no key: GRISTMILL_API_KEY brings it.")
@click.option("--no-check", is_flag=True, help="Do not ask the API whether it accepts the key.")
def add(*, name: str, url: str, guarded: bool, key_stdin: bool, no_key: bool, no_check: bool) -> None:
    """Add the profile NAME, or replace it. The key is that of GRISTMILL_API_KEY, or else it is asked for."""
    from gristmill.backends.profiles import NAME, Profile, changing_profiles, profiles_file
    from gristmill.backends.target import check_url

    if NAME.fullmatch(name) is None:
        raise click.UsageError(f"{name!r} is no name: use up to 50 letters, digits, dots, dashes and underscores")
    made = Profile(check_url(url, "--url"), "" if no_key else _read_key(from_stdin=key_stdin), guarded)
    if made.key and not no_check:
        _check(name, made)
    if urlsplit(made.url).scheme == "http" and not _is_near(made.url):
        click.echo(f"Warning: the key travels to {made.url} unencrypted; use https", err=True)
    with changing_profiles() as known:
        known["profiles"][name] = made
        known["current"] = known["current"] or name
        in_use = known["current"] == name
    cure = "" if in_use else f"; `gristmill profile use {name}` uses it"
    click.echo(f"{name} is kept in {profiles_file()}{' and in use' if in_use else cure}")


@profile.command()
@click.argument("name", required=False)
@click.option("--none", "nothing", is_flag=True, help="Use no profile.")
def use(*, name: str | None, nothing: bool) -> None:
    """Use the profile NAME from now on, in every shell."""
    from gristmill.backends.profiles import changing_profiles, read_profiles

    if (name is None) != nothing:
        raise click.UsageError("give the name of a profile, or --none")
    if name is not None:
        read_profiles().get(name)
    with changing_profiles() as known:
        known["current"] = name
    click.echo(f"{name} is in use" if name else "No profile is in use")
    given = [each for each in ("GRISTMILL_URL", "GRISTMILL_PROFILE") if os.environ.get(each)]
    if name and given:
        click.echo(f"{' and '.join(given)} of this shell win over it", err=True)


@profile.command(name="list")
@view_options
def list_(*, view: View) -> None:
    """List the profiles, with the public halves of their keys."""
    from gristmill.backends.profiles import read_profiles

    def ask() -> Any:
        known = read_profiles()
        rows = [
            {"name": name, **_shown(each), "in_use": name == known.current}
            for name, each in sorted(known.profiles.items())
        ]
        return {"items": rows, "next_cursor": None}

    empty = "There are no profiles yet: `gristmill profile add NAME --url URL` adds one"
    view.show_local(
        ask, lambda found, paper: table(found["items"], PROFILES, paper) if found["items"] else [empty], "profiles"
    )


@profile.command()
@click.argument("name")
def remove(*, name: str) -> None:
    """Remove the profile NAME and its key. The key itself stays valid."""
    from gristmill.backends.profiles import changing_profiles, read_profiles

    read_profiles().get(name)
    with changing_profiles() as known:
        del known["profiles"][name]
        was_in_use = known["current"] == name
        known["current"] = None if was_in_use else known["current"]
    click.echo(f"{name} is removed{', and no profile is in use' if was_in_use else ''}")


def _shown(each: "Profile") -> dict[str, Any]:
    return {"url": each.url, "key": each.shown_key, "guarded": each.guarded}


def _read_key(*, from_stdin: bool) -> str:
    """Return the key from standard input, the environment or a person, and refuse what can be none."""
    from gristmill.backends.target import KEY

    given = os.environ.get(KEY)
    if from_stdin:
        key = sys.stdin.read(_LONGEST_KEY).strip()
    elif given:
        key = given
        click.echo(f"The key is that of {KEY}", err=True)
    elif sys.stdin.isatty():
        key = click.prompt("Key", hide_input=True, err=True).strip()
    else:
        raise click.UsageError(f"there is no key: give --key-stdin or --no-key, or set {KEY}")
    if not key or not key.isascii() or not key.isprintable() or " " in key:
        raise click.UsageError("the key is empty, or holds characters that no key has")
    return key


def _check(name: str, made: "Profile") -> None:
    """Ask the API whether it accepts the key; a key without the scope to list tasks is one, too."""
    from gristmill.backends.address import Address
    from gristmill.backends.over_http import HttpBackend
    from gristmill.shared.errors import ForbiddenError

    backend = HttpBackend(Address(made.url, made.key, "--url", f"the profile {name}"), patience=5.0)
    try:
        backend.ask("list_tasks")
    except ForbiddenError as error:
        click.echo(text_of(error.message), err=True)
    finally:
        backend.close()


def _is_near(url: str) -> bool:
    return urlsplit(url).hostname in ("localhost", "127.0.0.1", "::1")
