"""`gristmill dead-letters`: jobs that ended without success, with their evidence."""

from typing import Any
from uuid import UUID

import click

from gristmill.commands.dead_letters_redrive import discard, redrive
from gristmill.commands.options import as_letters, filter_options, find_letter, summary_of
from gristmill.commands.output import json_option, show_fields, show_rows


@click.group()
def dead_letters() -> None:
    """List, group, show, redrive and discard jobs that ended without success.

    \b
    Examples:
      gristmill dead-letters list --task email.send
      gristmill dead-letters groups
      gristmill dead-letters show 01993c1e-…        (the id of the letter, or of its job)
      gristmill dead-letters redrive 01993c1e-… --args '{"to": "ada@example.com", "template": "welcome"}'
      gristmill dead-letters redrive --task email.send --rate 10 --dry-run
      gristmill dead-letters count --where '{"field": "error_message", "like": "%timed out%"}'
      gristmill dead-letters discard 01993c1e-… --reason "the customer has left"
    """  # noqa: D301  click's mark for text that is not to be wrapped


@dead_letters.command(name="list")
@filter_options
@click.option("--all", "with_resolved", is_flag=True, help="Those that were redriven or discarded, too.")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@json_option
def list_(*, limit: int, as_json: bool, with_resolved: bool, **filters: Any) -> None:
    """List dead letters, newest first."""
    from gristmill.commands.settings import transaction
    from gristmill.shared.dead_letters.queries import list_letters

    wanted = as_letters(filters, resolution="all" if with_resolved else "open")
    with transaction() as session:
        rows = [summary_of(letter) for letter in list_letters(session, wanted, limit=limit)]
    show_rows(rows, as_json=as_json, empty="No dead letters")


@dead_letters.command()
@filter_options
def count(**filters: Any) -> None:
    """Count open dead letters, up to 10,000."""
    from gristmill.commands.settings import transaction
    from gristmill.shared.dead_letters.queries import count_letters

    with transaction() as session:
        click.echo(str(count_letters(session, as_letters(filters))))


@dead_letters.command()
@filter_options
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@json_option
def groups(*, limit: int, as_json: bool, **filters: Any) -> None:
    """Group open dead letters by task and by how they failed, the largest group first."""
    from gristmill.commands.settings import transaction
    from gristmill.shared.dead_letters.queries_groups import list_groups

    with transaction() as session:
        rows = [
            {
                "task": group.task,
                "fingerprint": group.fingerprint,
                "count": group.count,
                "first_seen": group.first_seen,
                "last_seen": group.last_seen,
                "error": group.sample.error_code,
                "message": group.sample.error_message,
                "sample": str(group.sample.id),
            }
            for group in list_groups(session, as_letters(filters), limit=limit)
        ]
    show_rows(rows, as_json=as_json, empty="No dead letters")


@dead_letters.command()
@click.argument("letter_id", metavar="ID", type=click.UUID)
@json_option
def show(*, letter_id: UUID, as_json: bool) -> None:
    """Show one dead letter with its evidence."""
    from gristmill.commands.settings import transaction

    with transaction() as session:
        letter = find_letter(session, letter_id)
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


dead_letters.add_command(redrive)
dead_letters.add_command(discard)
