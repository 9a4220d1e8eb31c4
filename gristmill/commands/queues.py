"""List, pause and resume queues: `gristmill queues`."""

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

import click

from gristmill.commands.bulk import actor
from gristmill.commands.output import json_option, show_rows, text_of

if TYPE_CHECKING:
    from gristmill.shared.operating.queries_queue_depths import Depth


@click.group()
def queues() -> None:
    """List the queues with their jobs; pause and resume them.

    \b
    Examples:
      gristmill queues list --json
      gristmill queues pause email_queue --reason "the mail server moves"
      gristmill queues resume email_queue
    """  # noqa: D301  click's mark for text that is not to be wrapped


@queues.command(name="list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the queues: jobs by state, age of the oldest ready job, rates, workers, open dead letters, pauses."""
    from gristmill.commands.database import transaction
    from gristmill.shared.operating.queries_queue_depths import list_depths

    with transaction() as session:
        rows = [asdict(depth) if as_json else _shown(depth) for depth in list_depths(session)]
    show_rows(rows, as_json=as_json, empty="No queues")


@queues.command()
@click.argument("name")
@click.option("--reason", required=True, help="The reason; it is shown with every job that waits.")
def pause(*, name: str, reason: str) -> None:
    """Pause the queue NAME: jobs are accepted but not started. Jobs that are running finish."""
    from gristmill.commands.database import transaction
    from gristmill.shared.operating.pause import pause_queue
    from gristmill.shared.operating.queries_pause import find_control

    with transaction() as session:
        paused = pause_queue(session, name, actor=actor(), reason=reason)
        control = find_control(session, name)
    if paused:
        click.echo(f"{name} is paused; `gristmill queues resume {name}` resumes it")
    else:
        since = text_of(control.paused_at)
        click.echo(
            f"{name} has been paused since {since} by {control.paused_by} ({control.pause_reason}); nothing changed"
        )


@queues.command()
@click.argument("name")
def resume(*, name: str) -> None:
    """Resume the queue NAME: jobs that have waited run immediately."""
    from gristmill.commands.database import transaction
    from gristmill.shared.operating.pause import resume_queue

    with transaction() as session:
        resumed = resume_queue(session, name, actor=actor())
    click.echo(f"{name} is resumed" if resumed else f"{name} was not paused; nothing changed")


def _shown(depth: "Depth") -> dict[str, Any]:
    def number(name: str) -> Any:
        found = getattr(depth, name)
        if name not in depth.more:
            return found
        return f"{found}+" if depth.counted_at is None else f"~{found}"

    return {
        "queue": depth.queue,
        "ready": number("ready"),
        "scheduled": number("scheduled"),
        "retrying": number("retrying"),
        "running": number("running"),
        "oldest_seconds": depth.oldest_seconds,
        "in_a_minute": depth.accepted_a_minute,
        "begun_a_minute": depth.started_a_minute,
        "workers": depth.workers,
        "dead": number("dead"),
        "paused": _pause_of(depth),
    }


def _pause_of(depth: "Depth") -> str | None:
    if depth.paused_at is None:
        return None
    return f"by {depth.paused_by} since {text_of(depth.paused_at)} ({depth.pause_reason})"
