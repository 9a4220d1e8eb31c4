"""Options of commands: select jobs and dead letters by them, by a filter or by an id; read arguments."""

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

import click

from gristmill.shared.states import State

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.dead_letters.models import DeadLetter
    from gristmill.shared.filters.specification import Specification

# Access is checked later, where the message can name the owner of a folder that is not ours.
DATA_FOLDER: Final = click.Path(file_okay=False, readable=False, path_type=Path)

F = TypeVar("F", bound=Callable[..., Any])


def job_options(command: F) -> F:
    """Add the options that select jobs to a command."""
    for option in (
        *_everywhere(),
        click.option("--tag", help="Only jobs with this tag."),
        *_task_and_queue(),
        click.option("--state", type=click.Choice([str(state) for state in State]), help="Only jobs in this state."),
    ):
        command = option(command)
    return command


def filter_options(command: F) -> F:
    """Add the options that select dead letters to a command."""
    for option in (
        *_everywhere(),
        click.option("--fingerprint", help="Only those of a group, as `groups` shows it."),
        click.option("--reason", help="Only jobs that ended for this reason."),
        *_task_and_queue(),
    ):
        command = option(command)
    return command


def _task_and_queue() -> list[Callable[[Any], Any]]:
    return [
        click.option("--queue", help="Only jobs of this queue."),
        click.option("--task", help="Only jobs of this task."),
    ]


def _everywhere() -> list[Callable[[Any], Any]]:
    times = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"])
    example = '\'{"field": "attempt", "gt": 2}\''
    return [
        click.option(
            "--where", callback=_read_where, help=f"A filter as JSON, such as {example}; see docs/filters.md."
        ),
        click.option("--created-before", type=times, help="Only those created before this time, in UTC."),
        click.option("--created-after", type=times, help="Only those created after this time, in UTC."),
    ]


def _read_where(_context: click.Context, _parameter: click.Parameter, document: str | None) -> Any:
    if document is None:
        return None
    try:
        return json.loads(document)
    except ValueError as error:
        raise click.BadParameter(f"this is not JSON: {error}") from None


def read_args(document: str) -> dict[str, Any]:
    """Return the arguments that `--args` holds.

    Raises:
        UsageError: they are not a JSON object.
    """
    try:
        args = json.loads(document)
    except ValueError as error:
        raise click.UsageError(f"--args is not JSON: {error}") from None
    if not isinstance(args, dict):
        raise click.UsageError('--args takes a JSON object: --args \'{"name": "value"}\'')
    return args


def given(options: dict[str, Any]) -> dict[str, Any]:
    """Return the options that were given."""
    return {name: value for name, value in options.items() if value is not None}


def as_jobs(options: dict[str, Any]) -> "Specification":
    """Return the filter for jobs that these options describe; their times are in UTC.

    Raises:
        InvalidError: `--where` is not a filter.
    """
    from gristmill.shared.filters.parse import read_filter
    from gristmill.shared.operating.job_filter import JOBS, choose_jobs

    where, named = _apart(options)
    chosen = choose_jobs(**named)
    return chosen if where is None else chosen & read_filter(where, JOBS)


def as_letters(options: dict[str, Any], **more: Any) -> "Specification":
    """Return the filter for dead letters that these options describe; their times are in UTC.

    Raises:
        InvalidError: `--where` is not a filter.
    """
    from gristmill.shared.dead_letters.filter import LETTERS, choose_letters
    from gristmill.shared.filters.parse import read_filter

    where, named = _apart(options)
    chosen = choose_letters(**named, **more)
    return chosen if where is None else chosen & read_filter(where, LETTERS)


def _apart(options: dict[str, Any]) -> tuple[Any, dict[str, Any]]:
    """Return the filter, and the other options with their times in UTC."""
    named = {name: _in_utc(value) for name, value in options.items() if name != "where"}
    return options.get("where"), named


def _in_utc(value: Any) -> Any:
    return value.replace(tzinfo=UTC) if isinstance(value, datetime) else value


def find_letter(session: "Session", letter_id: UUID) -> "DeadLetter":
    """Return the dead letter with this id, or the latest one of the job with this id.

    Raises:
        NotFoundError: there is neither.
    """
    from gristmill.shared.dead_letters.queries import find_latest_letter, get_letter
    from gristmill.shared.errors import NotFoundError

    found = find_latest_letter(session, letter_id)
    if found is not None:
        return found
    try:
        return get_letter(session, letter_id)
    except NotFoundError:
        msg = f"No dead letter {letter_id}, and no dead job of this id: `gristmill dead-letters list` shows them"
        raise NotFoundError(msg) from None


def summary_of(letter: "DeadLetter") -> dict[str, Any]:
    """Return a dead letter as a row."""
    return {
        "id": str(letter.id),
        "task": letter.task,
        "queue": letter.queue,
        "reason": letter.reason,
        "error": letter.error_code,
        "message": letter.error_message,
        "attempts": letter.attempts,
        "created_at": letter.created_at,
        "resolution": letter.resolution,
    }
