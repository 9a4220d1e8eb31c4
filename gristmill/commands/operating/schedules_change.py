"""Run, pause, resume, backfill, create and delete schedules."""

from datetime import datetime
from typing import Any, Final

import click

from gristmill.commands.common.api_command import ApiCommand, open_backend
from gristmill.commands.common.arguments import arguments_of
from gristmill.commands.common.choices import Choice, Named, suggesting
from gristmill.commands.common.confirm import confirm_many, confirm_options
from gristmill.output.values import read_time, stamp


class _Time(click.ParamType[datetime]):
    """A time with its offset (RFC 3339)."""

    name = "time"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> datetime:
        try:
            time = datetime.fromisoformat(value)
        except ValueError:
            time = None
        if time is None or time.tzinfo is None:
            self.fail(f"{value!r} is not a time with an offset, such as 2030-01-31T06:00:00Z", param, ctx)
        return time


_SCHEDULE: Final = click.argument("name", type=Named("schedule"))


@click.command(cls=ApiCommand)
@_SCHEDULE
@click.option(
    "--fire-at", type=_Time(), help="The time to fire it for; the same time gives the same job.  [default: now]"
)
def run(*, name: str, fire_at: datetime | None) -> None:
    """Fire the schedule NAME immediately, even if it is paused."""
    body = {"fire_at": fire_at.isoformat()} if fire_at is not None else {}
    with open_backend() as backend, suggesting(backend, "schedule", name):
        status, done = backend.ask_status("run_schedule", body, name=name)
    had = "" if status == 202 else " had"  # noqa: PLR2004  accepted
    click.echo(f"{name} for {read_time(done['fire_at']).isoformat()}{had}: job {done['job_id']}")


@click.command(cls=ApiCommand)
@_SCHEDULE
def pause(*, name: str) -> None:
    """Pause the schedule NAME. Fires that it misses meanwhile are not caught up; see `backfill`."""
    _change(name, {"enabled": False})
    click.echo(f"{name} is paused; `gristmill schedules resume {name}` resumes it")


@click.command(cls=ApiCommand)
@_SCHEDULE
def resume(*, name: str) -> None:
    """Resume the schedule NAME."""
    schedule = _change(name, {"enabled": True})
    due = f" and fires next at {stamp(schedule['next_fires'][0])}" if schedule["next_fires"] else ""
    click.echo(f"{name} is resumed{due}")


@click.command(cls=ApiCommand)
@_SCHEDULE
@click.option("--from", "start", type=_Time(), required=True, help="The first time of the span.")
@click.option("--to", "end", type=_Time(), required=True, help="The end of the span, which is not part of it.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="Jobs to create, at most.")
@click.option("--dry-run", is_flag=True, help="Print the times and change nothing.")
@confirm_options
def backfill(
    *, name: str, start: datetime, end: datetime, limit: int, dry_run: bool, yes: bool, typed: str | None
) -> None:
    """Create the jobs of past times that have none. Running it again creates none twice."""
    body = {"from": start.isoformat(), "to": end.isoformat(), "limit": limit}
    with open_backend() as backend, suggesting(backend, "schedule", name):
        done = backend.ask("backfill_schedule", {**body, "dry_run": True}, name=name)
        if not dry_run:
            number = len(done["times"])
            if number:
                confirm_many(backend, f"Create {number} job{'s' * (number != 1)} of {name}", yes=yes, typed=typed)
            done = backend.ask("backfill_schedule", body, name=name)
    for position, time in enumerate(done["times"]):
        click.echo(f"would fire {stamp(time)}" if dry_run else f"{stamp(time)}  job {done['jobs'][position]}")
    more = f"; continue with --from {done['next_from']}" if done["next_from"] is not None else ""
    made = "would be created" if dry_run else "created"
    click.echo(f"{len(done['times'])} {made}, {done['already']} existed{more}")


@click.command(cls=ApiCommand)
@click.argument("name")
@click.argument("task", type=Named("task"))
@click.argument("pairs", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--args", "document", help="The arguments as a JSON object, instead of NAME=VALUE.")
@click.option("--cron", help='Five fields, such as "30 7 * * mon-fri".')
@click.option("--every", type=click.FloatRange(1), help="A period in seconds, instead of --cron.")
@click.option("--timezone", default="UTC", show_default=True, help="The time zone that the cron rule follows.")
@click.option(
    "--catch-up",
    type=Choice(["none", "last", "all"]),
    default="last",
    show_default=True,
    help="Which missed times are made up for.",
)
@click.option("--no-overlap", is_flag=True, help="Omit a time while the job of an earlier one has not ended.")
@click.option("--paused", is_flag=True, help="Create it paused.")
def create(
    *, name: str, task: str, pairs: tuple[str, ...], document: str | None, no_overlap: bool, paused: bool, **rule: Any
) -> None:
    """Create the schedule NAME, which posts jobs of TASK, or replace it. `{fire_at}` in a VALUE is the time."""
    if (rule["cron"] is None) == (rule["every"] is None):
        raise click.UsageError("give either --cron or --every")
    body = {option: value for option, value in rule.items() if value is not None}
    body |= {"task": task, "args": arguments_of(pairs, document), "enabled": not paused}
    body["overlap"] = "skip" if no_overlap else "allow"
    with open_backend() as backend, suggesting(backend, "task", task):
        status, made = backend.ask_status("put_schedule", body, name=name)
    done = "created" if status == 201 else "replaced"  # noqa: PLR2004  created
    due = f"; it is due next at {stamp(made['next_fires'][0])}" if made["next_fires"] else ""
    click.echo(f"{name} is {done}{due}")


@click.command(cls=ApiCommand)
@_SCHEDULE
@confirm_options
def delete(*, name: str, yes: bool, typed: str | None) -> None:
    """Delete the schedule NAME and the record of its fires. Their jobs remain."""
    with open_backend() as backend, suggesting(backend, "schedule", name):
        backend.ask("show_schedule", name=name)
        confirm_many(backend, f"Delete the schedule {name}", yes=yes, typed=typed)
        backend.ask("delete_schedule", name=name)
    click.echo(f"{name} is deleted")


def _change(name: str, changes: dict[str, Any]) -> Any:
    with open_backend() as backend, suggesting(backend, "schedule", name):
        return backend.ask("change_schedule", changes, name=name)
