"""Ask before acts on many things: yes or no on a terminal, the name of the profile where it is guarded."""

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

from gristmill.commands.common.api_command import current_target

if TYPE_CHECKING:
    from gristmill.backends.operations import Backend

F = TypeVar("F", bound=Callable[..., Any])


def confirm_options(command: F) -> F:
    """Add `--yes` and `--confirm` to a command, which gets them as `yes` and `typed`."""
    command = click.option(
        "--confirm", "typed", metavar="PROFILE", help="The name of the guarded profile, instead of typing it."
    )(command)
    return click.option("--yes", is_flag=True, help="Do not ask, whatever their number.")(command)


def confirm_many(backend: "Backend", act: str, *, yes: bool, typed: str | None) -> None:
    """Ask before an act on many things.

    Args:
        backend: which is acted on; the question names it.
        act: what is done, with the number: `Cancel 1234 jobs`.
        yes: whether the answer was given before.
        typed: the name of the guarded profile, if it was given before.

    Raises:
        ClickException: the answer is no, or nobody can be asked and the profile is guarded.
    """
    guard = current_target().guarded_by
    asks = sys.stdin.isatty() and sys.stdout.isatty()
    if guard is None:
        if asks and not yes and not click.confirm(f"{act} on {backend.title}?", err=True):
            raise click.ClickException("nothing was done")
        return
    if typed is None and asks:
        typed = click.prompt(f"{act} on {backend.title}? Type the name of the profile", err=True)
    if typed != guard:
        told = f"{act[:1].lower()}{act[1:]}"
        raise click.UsageError(f"nothing was done: the profile is guarded; to {told}, give --confirm and its name")
