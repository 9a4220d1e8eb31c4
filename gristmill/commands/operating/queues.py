"""List, show, pause and resume queues: `gristmill queues`."""

from collections.abc import Mapping
from typing import Any, Final

import click

from gristmill.commands.common.api_command import ApiGroup, open_backend
from gristmill.commands.common.choices import Named, suggesting
from gristmill.output.fields import show_fields
from gristmill.output.paper import Paper
from gristmill.output.table import Column, plain, table
from gristmill.output.values import age, duration, moment, number, stamp
from gristmill.output.view import View, view_options


def _count(name: str, field: str) -> Column:
    return Column(name=name, value=lambda row, _paper: _counted(row, field), right=True)


def _paused(row: Mapping[str, Any], paper: Paper) -> str:
    paused = row["paused"]
    return "" if paused is None else f"{age(paused['since'], paper.now)} by {paused['by']} ({paused['reason']})"


QUEUES: Final = (
    _count("READY", "ready"),
    _count("SCHED", "scheduled"),
    _count("RETRY", "retrying"),
    _count("RUN", "running"),
    _count("DEAD", "dead_letters"),
    Column(name="OLDEST", value=lambda row, _paper: _oldest(row)),
    Column(name="WRK", value=lambda row, _paper: number(row["workers"]), right=True),
    plain("QUEUE", "name", is_id=True),
    Column(name="PAUSED", value=_paused, least=4),
    Column(name="IN/MIN", value=lambda row, _paper: f"{row['accepted_a_minute']:g}", right=True, wide=True),
    Column(name="BEGUN/MIN", value=lambda row, _paper: f"{row['started_a_minute']:g}", right=True, wide=True),
    plain("PURPOSE", "purpose", wide=True),
)


@click.group(cls=ApiGroup)
def queues() -> None:
    """List the queues with their jobs; pause and resume them.

    \b
    Examples:
      gristmill queues list --watch
      gristmill queues list -o wide
      gristmill queues pause email_queue --reason "the mail server moves"
      gristmill queues resume email_queue
    """  # noqa: D301  click's mark for text that is not to be wrapped


@queues.command(name="list")
@view_options
def list_(*, view: View) -> None:
    """List the queues: jobs by state, age of the oldest ready job, workers, open dead letters, pauses."""
    with open_backend() as backend:
        view.show(
            backend,
            lambda: backend.ask("list_queues"),
            lambda found, paper: table(found["items"], QUEUES, paper),
            "queues",
        )


@queues.command()
@click.argument("name", type=Named("queue"))
@view_options
def show(*, name: str, view: View) -> None:
    """Show the queue NAME."""
    with open_backend() as backend, suggesting(backend, "queue", name):
        view.show(backend, lambda: backend.ask("show_queue", name=name), _draw_queue, f"queue {name}")


@queues.command()
@click.argument("name", type=Named("queue"))
@click.option("--reason", required=True, help="The reason; it is shown with every job that waits.")
def pause(*, name: str, reason: str) -> None:
    """Pause the queue NAME: jobs are accepted but not started. Jobs that are running finish."""
    with open_backend() as backend, suggesting(backend, "queue", name):
        before = backend.ask("show_queue", name=name)["paused"]
        paused = backend.ask("pause_queue", {"reason": reason}, name=name)["paused"]
    if before is None:
        click.echo(f"{name} is paused; `gristmill queues resume {name}` resumes it")
    else:
        since = f"{stamp(paused['since'])} by {paused['by']} ({paused['reason']})"
        click.echo(f"{name} has been paused since {since}; nothing changed")


@queues.command()
@click.argument("name", type=Named("queue"))
def resume(*, name: str) -> None:
    """Resume the queue NAME: jobs that have waited run immediately."""
    with open_backend() as backend, suggesting(backend, "queue", name):
        before = backend.ask("show_queue", name=name)["paused"]
        backend.ask("resume_queue", name=name)
    click.echo(f"{name} is resumed" if before is not None else f"{name} was not paused; nothing changed")


def _counted(row: Mapping[str, Any], field: str) -> str:
    shown = number(row[field])
    if field not in row["more"]:
        return shown
    return f"{shown}+" if row["counted_at"] is None else f"~{shown}"


def _oldest(row: Mapping[str, Any]) -> str:
    seconds = row["oldest_waiting_seconds"]
    return "" if seconds is None else duration(seconds)


def _draw_queue(queue: Mapping[str, Any], paper: Paper) -> list[str]:
    paused = queue["paused"] or {}
    lives = queue["time_to_live"]
    shown = {
        "queue": queue["name"],
        "purpose": queue["purpose"],
        "paused": moment(paused.get("since"), paper.now),
        "paused by": paused.get("by"),
        "reason": paused.get("reason"),
        **{name: _counted(queue, name) for name in ("ready", "scheduled", "retrying", "running")},
        "dead letters": _counted(queue, "dead_letters"),
        "oldest ready": _oldest(queue),
        "accepted a minute": f"{queue['accepted_a_minute']:g}",
        "started a minute": f"{queue['started_a_minute']:g}",
        "workers": queue["workers"],
        "worker seen": moment(queue["worker_seen_at"], paper.now),
        "last started": moment(queue["last_started_at"], paper.now),
        "jobs expire after": duration(lives) if lives is not None else "never",
        "dead-letter queue": queue["dead_letter_queue"],
    }
    return show_fields(shown, paper)
