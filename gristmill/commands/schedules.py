"""List, show, run, pause, resume and backfill schedules: `gristmill schedules`."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from gristmill.commands.bulk import actor
from gristmill.commands.output import json_option, page_options, show_fields, show_page, text_of
from gristmill.commands.settings import load_registry

if TYPE_CHECKING:
    from gristmill.shared.base.principal import Principal
    from gristmill.shared.schedules.models import Fire, Schedule

_NEXT = 5


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


@click.group()
def schedules() -> None:
    """List, show, run, pause and resume schedules; backfill the fires that they missed.

    \b
    Examples:
      gristmill schedules show aggregate-hour
      gristmill schedules run aggregate-hour
      gristmill schedules pause aggregate-hour
      gristmill schedules backfill aggregate-hour --from 2030-01-31T00:00:00Z --to 2030-01-31T06:00:00Z --dry-run
    """  # noqa: D301  click's mark for text that is not to be wrapped


@schedules.command(name="list")
@page_options(default=1000)
def list_(*, limit: int, as_json: bool) -> None:
    """List the schedules by name, with their next fires."""
    from gristmill.commands.database import transaction
    from gristmill.shared.schedules.queries import list_schedules

    with transaction() as session:
        show_page(
            lambda most: map(_row, list_schedules(session, limit=most)),
            limit=limit,
            as_json=as_json,
            empty="No schedules: beat writes those of tasks/records/schedules.py when it starts",
        )


@schedules.command()
@click.argument("name")
@json_option
def show(*, name: str, as_json: bool) -> None:
    """Show the schedule NAME with its next five fires."""
    from gristmill.commands.database import transaction
    from gristmill.shared.schedules.queries import get_schedule
    from gristmill.shared.schedules.recurrence import next_fires

    with transaction() as session:
        schedule = get_schedule(session, name)
        shown = {column.key: getattr(schedule, column.key) for column in schedule.__table__.columns}
        shown["next_fires"] = [text_of(time) for time in next_fires(schedule, _NEXT)]
    show_fields(shown, as_json=as_json)


@schedules.command()
@click.argument("name")
@page_options()
def fires(*, name: str, limit: int, as_json: bool) -> None:
    """List the fires of the schedule NAME, latest first, with the states of their jobs."""
    from gristmill.commands.database import transaction
    from gristmill.shared.schedules.queries import get_schedule, list_fires

    with transaction() as session:
        get_schedule(session, name)
        show_page(
            lambda most: [_fire(fire, state) for fire, state in list_fires(session, name, limit=most)],
            limit=limit,
            as_json=as_json,
            empty=f"{name} has never fired",
        )


@schedules.command()
@click.argument("name")
@click.option(
    "--fire-at", type=_Time(), help="The time to fire it for; the same time gives the same job.  [default: now]"
)
def run(*, name: str, fire_at: datetime | None) -> None:
    """Fire the schedule NAME immediately, even if it is paused."""
    from gristmill.commands.database import transaction
    from gristmill.shared.schedules.run_now import run_schedule

    with transaction() as session:
        done = run_schedule(session, name, principal=_principal(), fire_at=fire_at)
    had = "" if done.is_new else " had"
    click.echo(f"{name} for {done.fire_at.isoformat()}{had}: job {done.job_id}")


@schedules.command()
@click.argument("name")
def pause(*, name: str) -> None:
    """Pause the schedule NAME. Fires that it misses meanwhile are not caught up; see `backfill`."""
    _switch(name, on=False)
    click.echo(f"{name} is paused; `gristmill schedules resume {name}` resumes it")


@schedules.command()
@click.argument("name")
def resume(*, name: str) -> None:
    """Resume the schedule NAME."""
    schedule = _switch(name, on=True)
    click.echo(f"{name} is resumed and fires next at {text_of(schedule.next_fire_at)}")


@schedules.command()
@click.argument("name")
@click.option("--from", "start", type=_Time(), required=True, help="The first time of the span.")
@click.option("--to", "end", type=_Time(), required=True, help="The end of the span, which is not part of it.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True, help="Jobs to create, at most.")
@click.option("--dry-run", is_flag=True, help="Print the times and change nothing.")
def backfill(*, name: str, start: datetime, end: datetime, limit: int, dry_run: bool) -> None:
    """Create the jobs of past times that have none. Running it again creates none twice."""
    from gristmill.commands.database import transaction
    from gristmill.shared.schedules.backfill import backfill_schedule

    with transaction() as session:
        done = backfill_schedule(
            session, name, principal=_principal(), start=start, end=end, limit=limit, dry_run=dry_run
        )
    for position, time in enumerate(done.times):
        click.echo(f"would fire {text_of(time)}" if dry_run else f"{text_of(time)}  job {done.jobs[position]}")
    more = f"; continue with --from {done.next_from.isoformat()}" if done.next_from is not None else ""
    click.echo(f"{len(done.times)} {'would be created' if dry_run else 'created'}, {done.already} existed{more}")


def _switch(name: str, *, on: bool) -> "Schedule":
    from gristmill.commands.database import transaction
    from gristmill.shared.schedules.define import change_schedule

    with transaction() as session:
        return change_schedule(session, name, {"enabled": on}, principal=_principal())


def _principal() -> "Principal":
    """Return the operator at this terminal, who may schedule any task."""
    from gristmill.shared.base.principal import ADMIN, Principal

    load_registry()
    return Principal(name=actor(), scopes=frozenset({ADMIN}))


def _row(schedule: "Schedule") -> dict[str, Any]:
    return {
        "name": schedule.name,
        "when": _when(schedule),
        "timezone": schedule.timezone,
        "task": schedule.task,
        "enabled": schedule.enabled,
        "next_fire_at": schedule.next_fire_at if schedule.enabled else None,
        "catch_up": schedule.catch_up,
        "overlap": schedule.overlap,
        "changed_by": schedule.changed_by,
    }


def _fire(fire: "Fire", state: str | None) -> dict[str, Any]:
    left_out = fire.job_id is None
    return {
        "fire_at": fire.fire_at,
        "cause": fire.cause,
        "job": fire.job_id,
        "state": "left out" if left_out else state,
    }


def _when(schedule: "Schedule") -> str:
    return schedule.cron or f"every {schedule.every:g} s"
