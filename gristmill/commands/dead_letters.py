"""List, group, show, redrive and discard dead letters: `gristmill dead-letters`."""

from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from gristmill.commands.dead_letters_redrive import discard, redrive
from gristmill.commands.options import as_letters, filter_options, find_letter, summary_of
from gristmill.commands.output import json_option, page_options, show_fields, show_page

if TYPE_CHECKING:
    from gristmill.shared.dead_letters.models import DeadLetter
    from gristmill.shared.dead_letters.queries_groups import LetterGroup


@click.group()
def dead_letters() -> None:
    """List, group, show, redrive and discard dead letters: jobs that ended without success.

    \b
    Examples:
      gristmill dead-letters list --task email.send
      gristmill dead-letters groups
      gristmill dead-letters show 01993c1e-…        the id of the dead letter, or of its job
      gristmill dead-letters redrive 01993c1e-… --args '{"to": "ada@example.com", "template": "welcome"}'
      gristmill dead-letters redrive --task email.send --rate 10 --dry-run
      gristmill dead-letters count --where '{"field": "error_message", "like": "%timed out%"}'
      gristmill dead-letters discard 01993c1e-… --reason "the customer has left"
    """  # noqa: D301  click's mark for text that is not to be wrapped


@dead_letters.command(name="list")
@filter_options
@click.option("--all", "with_resolved", is_flag=True, help="Include those that were redriven or discarded.")
@page_options()
def list_(*, limit: int, as_json: bool, with_resolved: bool, **filters: Any) -> None:
    """List dead letters, newest first."""
    from gristmill.commands.database import transaction
    from gristmill.shared.dead_letters.queries import list_letters

    wanted = as_letters(filters, resolution="all" if with_resolved else "open")
    with transaction() as session:
        show_page(
            lambda most: map(summary_of, list_letters(session, wanted, limit=most)),
            limit=limit,
            as_json=as_json,
            empty="No dead letters",
        )


@dead_letters.command()
@filter_options
def count(**filters: Any) -> None:
    """Count open dead letters, up to 10,000."""
    from gristmill.commands.database import transaction
    from gristmill.shared.dead_letters.queries import count_letters

    with transaction() as session:
        click.echo(str(count_letters(session, as_letters(filters))))


@dead_letters.command()
@filter_options
@page_options()
def groups(*, limit: int, as_json: bool, **filters: Any) -> None:
    """Group open dead letters by task and error, the largest group first."""
    from gristmill.commands.database import transaction
    from gristmill.shared.dead_letters.queries_groups import list_groups

    with transaction() as session:
        show_page(
            lambda most: map(_group, list_groups(session, as_letters(filters), limit=most)),
            limit=limit,
            as_json=as_json,
            empty="No dead letters",
        )


@dead_letters.command()
@click.argument("letter_id", metavar="ID", type=click.UUID)
@json_option
def show(*, letter_id: UUID, as_json: bool) -> None:
    """Show one dead letter with its error, traceback and resolution."""
    from gristmill.commands.database import transaction

    with transaction() as session:
        fields = _fields(find_letter(session, letter_id))
    show_fields(fields, as_json=as_json)


def _group(group: "LetterGroup") -> dict[str, Any]:
    return {
        "task": group.task,
        "fingerprint": group.fingerprint,
        "count": group.count,
        "first_seen": group.first_seen,
        "last_seen": group.last_seen,
        "error": group.sample.error_code,
        "message": group.sample.error_message,
        "sample": str(group.sample.id),
    }


def _fields(letter: "DeadLetter") -> dict[str, Any]:
    return {
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


dead_letters.add_command(redrive)
dead_letters.add_command(discard)
