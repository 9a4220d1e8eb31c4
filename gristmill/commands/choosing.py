"""Choose dead letters: by options, or by an id; and show one as a row."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import UUID

import click

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from shared.models.dead_letters import DeadLetter
    from shared.queries.dead_letters import LetterFilter

F = TypeVar("F", bound=Callable[..., Any])


def filter_options(command: F) -> F:
    """Give a command the options that choose dead letters."""
    times = click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M:%S"])
    for option in (
        click.option("--created-before", type=times, help="In UTC."),
        click.option("--created-after", type=times, help="In UTC."),
        click.option("--fingerprint", help="Of a group, as `groups` shows it."),
        click.option("--reason"),
        click.option("--queue"),
        click.option("--task"),
    ):
        command = option(command)
    return command


def as_filter(options: dict[str, Any], **more: Any) -> "LetterFilter":
    """Return the filter that these options mean; their times are in UTC."""
    from shared.queries.dead_letters import LetterFilter

    given: dict[str, Any] = {
        name: value.replace(tzinfo=UTC) if isinstance(value, datetime) else value for name, value in options.items()
    }
    return LetterFilter(**given, **more)


def find_letter(session: "Session", letter_id: UUID) -> "DeadLetter":
    """Return the dead letter of this id, or the latest of the job with this id.

    Raises:
        NotFoundError: there is neither.
    """
    from shared.errors import NotFoundError
    from shared.queries.dead_letters import find_latest_letter, get_letter

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
