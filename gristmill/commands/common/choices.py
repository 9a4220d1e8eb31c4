"""Choices that say which one was probably meant, and names that a shell completes."""

from collections.abc import Iterable, Sequence
from contextlib import contextmanager, suppress
from difflib import get_close_matches
from typing import TYPE_CHECKING, Any, Final

import click
from click.shell_completion import CompletionItem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gristmill.backends.operations import Backend

_PATIENCE: Final = 1.0  # seconds that a shell waits for names
_MOST: Final = 1_000
_LISTS: Final = {"queue": "list_queues", "task": "list_tasks", "schedule": "list_schedules"}


class Choice(click.Choice[str]):
    """One of some values; a wrong one is answered with the one that is most alike."""

    def get_invalid_choice_message(self, value: Any, ctx: click.Context | None) -> str:
        return super().get_invalid_choice_message(value, ctx) + did_you_mean(str(value), self.choices)


class Named(click.ParamType[str]):
    """The name of a queue, task or schedule; the shell completes it.

    Args:
        kind: `queue`, `task` or `schedule`.
    """

    def __init__(self, kind: str) -> None:
        self.name = kind

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> str:
        del param, ctx
        return str(value)

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        del param
        from gristmill.commands.common.api_command import current_target, make_backend

        with suppress(Exception), ctx:  # a shell that completes has no use for an error
            target = current_target()
            backend = make_backend(target, patience=_PATIENCE) if target.address else make_backend(target)
            try:
                names = names_of(backend, self.name)
            finally:
                backend.close()
            return [CompletionItem(name) for name in names if name.startswith(incomplete)]
        return []


def names_of(backend: "Backend", kind: str) -> list[str]:
    """Return the names of all queues, tasks or schedules."""
    from gristmill.commands.common.api_command import ask_pages

    operation = _LISTS[kind]
    answer = ask_pages(backend, operation, _MOST) if kind == "schedule" else backend.ask(operation)
    return [each["name"] for each in answer["items"]]


def did_you_mean(value: str, names: Iterable[str]) -> str:
    """Return ` Did you mean 'x'?`, or an empty text if none of `names` is close."""
    close: Sequence[str] = get_close_matches(value, list(names), n=1, cutoff=0.6)
    return f" Did you mean {close[0]!r}?" if close else ""


@contextmanager
def suggesting(backend: "Backend", kind: str, name: str | None) -> "Iterator[None]":
    """Add the name that was probably meant to an error of the block.

    Args:
        backend: which knows the names.
        kind: `queue`, `task` or `schedule`.
        name: what was given; None if nothing was.
    """
    from gristmill.shared.errors import InvalidError, NotFoundError

    try:
        yield
    except (InvalidError, NotFoundError) as error:
        names: list[str] = []
        with suppress(Exception):  # the error itself is what has to be told
            names = names_of(backend, kind) if name is not None else []
        if name is not None and name not in names:
            meant = did_you_mean(name, names)
            error.message = f"{error.message.rstrip('.')}.{meant}" if meant else error.message
        raise


def say_unknown(backend: "Backend", answer: Any, kind: str, name: str | None) -> None:
    """Say on standard error that an empty list was asked for by a name that nothing has."""
    if name is None or answer["items"]:
        return
    with suppress(Exception):  # the list itself was answered
        names = names_of(backend, kind)
        if name not in names:
            click.echo(f"No {kind} is called {name!r}.{did_you_mean(name, names)}", err=True)
