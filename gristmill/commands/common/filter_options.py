"""Options that choose jobs and dead letters, and the bodies of requests that they make."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import click

from gristmill.commands.common.choices import Choice, Named
from gristmill.shared.states import DeadReason, State

F = TypeVar("F", bound=Callable[..., Any])
_TIMES: Final = ["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S", "%Y-%m-%dT%H:%M:%S.%fZ", "%Y-%m-%dT%H:%M:%SZ"]
_EXAMPLE: Final = '\'{"field": "attempt", "gt": 2}\''


def job_options(command: F) -> F:
    """Add the options that choose jobs to a command."""
    states = Choice([str(state) for state in State])
    for option in (
        *_everywhere(),
        click.option("--tag", help="Only jobs with this tag."),
        *_task_and_queue(),
        click.option("--state", type=states, help="Only jobs in this state."),
    ):
        command = option(command)
    return command


def letter_options(command: F) -> F:
    """Add the options that choose dead letters to a command."""
    command = click.option("--where", callback=_read_where, help=_where_help())(command)
    return group_options(command)


def group_options(command: F) -> F:
    """Add the options that choose groups of dead letters to a command: all but `--where`."""
    reasons = Choice([str(reason) for reason in DeadReason])
    for option in (
        *_created(),
        click.option("--fingerprint", help="Only those of a group, as `groups` shows it."),
        click.option("--reason", type=reasons, help="Only jobs that ended for this reason."),
        *_task_and_queue(),
    ):
        command = option(command)
    return command


def body_of(options: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a request from the options that were given; times are in UTC."""
    return {name: _plain(value) for name, value in options.items() if value is not None}


def _everywhere() -> list[Callable[[Any], Any]]:
    return [click.option("--where", callback=_read_where, help=_where_help()), *_created()]


def _where_help() -> str:
    return f"A filter as JSON, such as {_EXAMPLE}; see docs/filters.md."


def _created() -> list[Callable[[Any], Any]]:
    times = click.DateTime(_TIMES)
    return [
        click.option("--created-before", type=times, help="Only those created before this time, in UTC."),
        click.option("--created-after", type=times, help="Only those created after this time, in UTC."),
    ]


def _task_and_queue() -> list[Callable[[Any], Any]]:
    return [
        click.option("--queue", type=Named("queue"), help="Only jobs of this queue."),
        click.option("--task", type=Named("task"), help="Only jobs of this task."),
    ]


def _read_where(_context: click.Context, _parameter: click.Parameter, document: str | None) -> Any:
    if document is None:
        return None
    try:
        return json.loads(document)
    except ValueError as error:
        raise click.BadParameter(f"this is not JSON: {error}") from None


def _plain(value: Any) -> Any:
    return value.replace(tzinfo=UTC).isoformat() if isinstance(value, datetime) else value
