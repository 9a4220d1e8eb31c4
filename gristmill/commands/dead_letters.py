"""`gristmill dead-letters`: jobs that ended without success, with their evidence."""

from typing import Any
from uuid import UUID

import click

from gristmill.commands.output import json_option, show_fields, show_rows


@click.group()
def dead_letters() -> None:
    """List and show jobs that ended without success.

    \b
    Examples:
      gristmill dead-letters list --task email.send
      gristmill dead-letters show 01993c1e-…        (the id of the letter, or of its job)
    """  # noqa: D301  click's mark for text that is not to be wrapped


@dead_letters.command(name="list")
@click.option("--task")
@click.option("--queue")
@click.option("--reason")
@click.option("--all", "with_resolved", is_flag=True, help="Those that were redriven or discarded, too.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@json_option
def list_(*, limit: int, as_json: bool, with_resolved: bool, **filters: Any) -> None:
    """List dead letters, newest first."""
    from gristmill.commands.settings import transaction
    from shared.queries.overview import list_dead_letters

    with transaction() as session:
        rows = [
            {
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
            for letter in list_dead_letters(session, limit=limit, with_resolved=with_resolved, **filters)
        ]
    show_rows(rows, as_json=as_json, empty="No dead letters")


@dead_letters.command()
@click.argument("letter_id", metavar="ID", type=click.UUID)
@json_option
def show(*, letter_id: UUID, as_json: bool) -> None:
    """Show one dead letter with its evidence."""
    from gristmill.commands.settings import transaction
    from shared.queries.overview import get_dead_letter

    with transaction() as session:
        letter = get_dead_letter(session, letter_id)
        fields = {
            "id": str(letter.id),
            "job": str(letter.job_id) if letter.job_id else None,
            "task": letter.task,
            "queue": letter.queue,
            "reason": letter.reason,
            "attempts": letter.attempts,
            "created_at": letter.created_at,
            "error_type": letter.error_type,
            "error_code": letter.error_code,
            "error_message": letter.error_message,
            "fingerprint": letter.fingerprint,
            "broker": letter.broker,
            "raw_body": letter.raw_body.decode(errors="replace") if letter.raw_body is not None else None,
            "resolution": letter.resolution,
            "resolved_at": letter.resolved_at,
            "resolved_by": letter.resolved_by,
            "note": letter.note,
            "traceback": letter.traceback,
        }
    show_fields(fields, as_json=as_json)
