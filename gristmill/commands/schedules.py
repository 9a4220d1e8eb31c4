"""`gristmill schedules`: what fires when; run it now, switch it off and on, make up for what was missed."""

from datetime import datetime
from typing import TYPE_CHECKING, Any

import click

from gristmill.commands.bulk import actor
from gristmill.commands.output import json_option, show_fields, show_rows, text_of

if TYPE_CHECKING:
    from gristmill.shared.base.principal import Principal
    from gristmill.shared.schedules.models import Schedule

_SHOWN = 1000
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
            self.fail(f"{value!r} is no time with an offset, such as 2030-01-31T06:00:00Z", param, ctx)
        return time


@click.group()
def schedules() -> None:
    """List and show the schedules; run them, switch them off and on, make up for what was missed.

    \b
    Examples:
      gristmill schedules show aggregate-hour
      gristmill schedules run aggregate-hour
      gristmill schedules pause aggregate-hour
      gristmill schedules backfill aggregate-hour --from 2030-01-31T00:00:00Z --to 2030-01-31T06:00:00Z --dry-run
    """  # noqa: D301  click's mark for text that is not to be wrapped


@schedules.command(name="list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the schedules by name, with the time of their next fire."""
    from gristmill.commands.settings import transaction
    from gristmill.shared.schedules.queries import list_schedules

    with transaction() as session:
        rows = [
            {
                "name": each.name,
                "when": _when(each),
                "timezone": each.timezone,
                "task": each.task,
                "enabled": each.enabled,
                "next_fire_at": each.next_fire_at if each.enabled else None,
                "catch_up": each.catch_up,
                "overlap": each.overlap,
                "changed_by": each.changed_by,
            }
            for each in list_schedules(session, limit=_SHOWN)
        ]
    show_rows(
        rows, as_json=as_json, empty="No schedules: beat writes those of tasks/records/schedules.py when it starts"
    )


@schedules.command()
@click.argument("name")
@json_option
def show(*, name: str, as_json: bool) -> None:
    """Show a schedule, with the times at which it is due next."""
    from gristmill.commands.settings import transaction
    from gristmill.shared.schedules.queries import get_schedule
    from gristmill.shared.schedules.recurrence import next_fires

    with transaction() as session:
        schedule = get_schedule(session, name)
        shown = {column.key: getattr(schedule, column.key) for column in schedule.__table__.columns}
        shown["next_fires"] = [text_of(time) for time in next_fires(schedule, _NEXT)]
    show_fields(shown, as_json=as_json)


@schedules.command()
@click.argument("name")
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@json_option
def fires(*, name: str, limit: int, as_json: bool) -> None:
    """List when a schedule was fired, the latest first, with what became of each job."""
    from gristmill.commands.settings import transaction
    from gristmill.shared.schedules.queries import get_schedule, list_fires

    with transaction() as session:
        get_schedule(session, name)
        rows = [
            {
                "fire_at": fire.fire_at,
                "cause": fire.cause,
                "job": fire.job_id,
                "state": state if fire.job_id is not None else "left out",
            }
            for fire, state in list_fires(session, name, limit=limit)
        ]
    show_rows(rows, as_json=as_json, empty=f"{name} was never fired")


@schedules.command()
@click.argument("name")
@click.option(
    "--fire-at", type=_Time(), help="The time it is run for: the same one gives the same job.  [default: now]"
)
def run(*, name: str, fire_at: datetime | None) -> None:
    """Fire a schedule now, also one that is switched off."""
    from gristmill.commands.settings import transaction
    from gristmill.shared.schedules.run_now import run_schedule

    with transaction() as session:
        done = run_schedule(session, name, principal=_principal(), fire_at=fire_at)
    had = "" if done.is_new else " had"
    click.echo(f"{name} for {done.fire_at.isoformat()}{had}: job {done.job_id}")


@schedules.command()
@click.argument("name")
def pause(*, name: str) -> None:
    """Switch a schedule off; what it would be due meanwhile is not made up for by itself."""
    _switch(name, on=False)
    click.echo(f"{name} is switched off; `gristmill schedules resume {name}` switches it on")


@schedules.command()
@click.argument("name")
def resume(*, name: str) -> None:
    """Switch a schedule on."""
    schedule = _switch(name, on=True)
    click.echo(f"{name} is due next at {text_of(schedule.next_fire_at)}")


@schedules.command()
@click.argument("name")
@click.option("--from", "start", type=_Time(), required=True)
@click.option("--to", "end", type=_Time(), required=True, help="The first time that is not among them.")
@click.option("--limit", type=click.IntRange(1, 1000), default=100, show_default=True)
@click.option("--dry-run", is_flag=True, help="Only say which times they are.")
def backfill(*, name: str, start: datetime, end: datetime, limit: int, dry_run: bool) -> None:
    """Make the jobs of times that have passed and have none. Asking again makes none twice."""
    from gristmill.commands.settings import transaction
    from gristmill.shared.schedules.backfill import backfill_schedule

    with transaction() as session:
        done = backfill_schedule(
            session, name, principal=_principal(), start=start, end=end, limit=limit, dry_run=dry_run
        )
    for position, time in enumerate(done.times):
        click.echo(f"would fire {text_of(time)}" if dry_run else f"{text_of(time)}  job {done.jobs[position]}")
    more = f"; go on with --from {done.next_from.isoformat()}" if done.next_from is not None else ""
    click.echo(f"{len(done.times)} {'to be made' if dry_run else 'made'}, {done.already} had their job before{more}")


def _switch(name: str, *, on: bool) -> "Schedule":
    from gristmill.commands.settings import transaction
    from gristmill.shared.schedules.define import change_schedule

    with transaction() as session:
        return change_schedule(session, name, {"enabled": on}, principal=_principal())


def _principal() -> "Principal":
    from gristmill import tasks as _  # noqa: F401  fills the registry
    from gristmill.shared.base.principal import ADMIN, Principal

    return Principal(name=actor(), scopes=frozenset({ADMIN}))


def _when(schedule: "Schedule") -> str:
    return schedule.cron or f"every {schedule.every:g} s"
