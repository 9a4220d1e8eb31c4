"""Commands that work by the API or in the database: their option `--profile`, and the back end that they get."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final

import click

if TYPE_CHECKING:
    from uuid import UUID

    from gristmill.backends.operations import Backend
    from gristmill.backends.target import Target

_PROFILE: Final = "gristmill.profile"
_PAGE: Final = 100  # entries of a page, at most


def remember_profile(ctx: click.Context, _parameter: click.Parameter, value: str | None) -> None:
    """Keep the value of `--profile`, wherever it stands in the command line."""
    if value:
        ctx.meta[_PROFILE] = value


def profile_option() -> click.Option:
    """Return the option `--profile`, which the command does not get."""
    return click.Option(
        ["--profile"],
        metavar="NAME",
        expose_value=False,
        callback=remember_profile,
        shell_complete=_complete_profiles,
        help="Work on the platform of this profile; see `gristmill profile`.",
    )


class ApiCommand(click.Command):
    """A command that works by the API or in the database."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.params.append(profile_option())


class ApiGroup(click.Group):
    """A group of such commands."""

    command_class = ApiCommand


def current_target() -> "Target":
    """Return the platform that the running command works on."""
    from gristmill.backends.target import choose_target

    ctx = click.get_current_context(silent=True)
    return choose_target(ctx.meta.get(_PROFILE) if ctx is not None else None)


def make_backend(target: "Target", **options: Any) -> "Backend":
    """Return the back end for a platform."""
    if target.address is None:
        from gristmill.backends.in_database import DatabaseBackend
        from gristmill.commands.settings import command_settings

        return DatabaseBackend(command_settings)
    from gristmill.backends.over_http import HttpBackend

    return HttpBackend(target.address, **options)


@contextmanager
def open_backend() -> "Iterator[Backend]":
    """Open the platform that the running command works on."""
    backend = make_backend(current_target())
    try:
        yield backend
    finally:
        backend.close()


def ask_pages(backend: "Backend", operation: str, limit: int, body: dict[str, Any] | None = None, **names: str) -> Any:
    """Return the first entries of a list, from as many pages as it takes; `next_cursor` says that there are more."""
    items: list[Any] = []
    cursor: str | None = None
    while True:
        wanted = {**(body or {}), "limit": min(_PAGE, limit - len(items)), **({"cursor": cursor} if cursor else {})}
        page = backend.ask(operation, wanted, **names)
        items += page["items"]
        cursor = page["next_cursor"]
        if cursor is None or len(items) >= limit:
            return {"items": items, "next_cursor": cursor}


def act_on_each(ids: "Sequence[UUID]", act: "Callable[[Backend, UUID], str]") -> int:
    """Call `act` for each of `ids`; print what it returns, or the error.

    Returns:
        The command's exit code: 1 when one of them could not be done.
    """
    from gristmill.explain import describe
    from gristmill.shared.errors import GristmillError

    failed = 0
    with open_backend() as backend:
        for each in ids:
            try:
                click.echo(act(backend, each))
            except GristmillError as error:
                failed = 1
                click.echo(f"Error: {describe(error)}", err=True)
    return failed


def _complete_profiles(_ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    from gristmill.backends.profiles import read_profiles

    return [name for name in read_profiles().profiles if name.startswith(incomplete)]
