"""List, show, run, change and backfill schedules: `gristmill schedules`."""

from collections.abc import Mapping
from typing import Any, Final

import click

from gristmill.commands.common.api_command import ApiGroup, ask_pages, open_backend
from gristmill.commands.common.choices import Named, suggesting
from gristmill.commands.common.columns import time_column
from gristmill.commands.operating.schedules_change import backfill, create, delete, pause, resume, run
from gristmill.output.fields import show_fields
from gristmill.output.paper import Paper
from gristmill.output.table import Column, plain, table
from gristmill.output.values import age, moment, stamp
from gristmill.output.view import View, list_options, say_more, view_options


def _next(schedule: Mapping[str, Any], paper: Paper) -> str:
    if not schedule["enabled"]:
        return "paused"
    return age(schedule["next_fires"][0], paper.now) if schedule["next_fires"] else "never"


SCHEDULES: Final = (
    Column(name="NEXT", value=_next),
    Column(name="WHEN", value=lambda row, _paper: _when(row), least=8),
    plain("SCHEDULE", "name", is_id=True),
    plain("TASK", "task", least=8),
    plain("TIMEZONE", "timezone", least=8),
    plain("CATCH UP", "catch_up", wide=True),
    plain("OVERLAP", "overlap", wide=True),
    plain("FROM CODE", "from_code", wide=True),
    plain("CHANGED BY", "changed_by", wide=True),
)
FIRES: Final = (
    time_column("fire_at", "FIRED FOR", is_id=True),
    plain("CAUSE", "cause"),
    Column(name="STATE", value=lambda row, _paper: _state(row), coloured=True),
    time_column("created_at", "FIRED", wide=True),
    plain("JOB", "job_id", wide=True),
)
_EMPTY: Final = "No schedules: beat writes those of the code when it starts; `gristmill schedules create` makes one"


@click.group(cls=ApiGroup)
def schedules() -> None:
    """List, show, run, pause and resume schedules; backfill the fires that they missed.

    \b
    Examples:
      gristmill schedules show aggregate-hour
      gristmill schedules run aggregate-hour
      gristmill schedules pause aggregate-hour
      gristmill schedules backfill aggregate-hour --from 2030-01-31T00:00:00Z --to 2030-01-31T06:00:00Z --dry-run
      gristmill schedules create nightly demo.echo message=hello --cron "30 2 * * *" --timezone Europe/Berlin
    """  # noqa: D301  click's mark for text that is not to be wrapped


@schedules.command(name="list")
@list_options(default=1000)
def list_(*, view: View) -> None:
    """List the schedules by name, with their next fires."""
    with open_backend() as backend:

        def ask() -> Any:
            found = ask_pages(backend, "list_schedules", view.limit)
            say_more(found, view.limit)
            return found

        view.show(
            backend,
            ask,
            lambda found, paper: table(found["items"], SCHEDULES, paper) if found["items"] else [_EMPTY],
            "schedules",
        )


@schedules.command()
@click.argument("name", type=Named("schedule"))
@view_options
def show(*, name: str, view: View) -> None:
    """Show the schedule NAME with its next five fires."""
    with open_backend() as backend, suggesting(backend, "schedule", name):
        view.show(backend, lambda: backend.ask("show_schedule", name=name), _draw_schedule, f"schedule {name}")


@schedules.command()
@click.argument("name", type=Named("schedule"))
@list_options()
def fires(*, name: str, view: View) -> None:
    """List the fires of the schedule NAME, latest first, with the states of their jobs."""
    with open_backend() as backend, suggesting(backend, "schedule", name):

        def ask() -> Any:
            found = ask_pages(backend, "list_fires", view.limit, name=name)
            say_more(found, view.limit)
            return found

        view.show(
            backend,
            ask,
            lambda found, paper: table(found["items"], FIRES, paper) if found["items"] else [f"{name} has never fired"],
            f"fires of {name}",
        )


def _draw_schedule(schedule: Mapping[str, Any], paper: Paper) -> list[str]:
    shown = {
        "schedule": schedule["name"],
        "when": _when(schedule),
        "timezone": schedule["timezone"],
        "task": schedule["task"],
        "args": schedule["args"],
        "enabled": schedule["enabled"],
        "next fires": "\n".join(stamp(time) for time in schedule["next_fires"]),
        "catch up": schedule["catch_up"],
        "overlap": schedule["overlap"],
        "from code": schedule["from_code"],
        "changed by": schedule["changed_by"],
        "created": moment(schedule["created_at"], paper.now),
        "changed": moment(schedule["updated_at"], paper.now),
    }
    return show_fields(shown, paper)


def _when(schedule: Mapping[str, Any]) -> str:
    return schedule["cron"] or f"every {schedule['every']:g} s"


def _state(fire: Mapping[str, Any]) -> str:
    return "left out" if fire["job_id"] is None else fire["state"] or "pruned"


for command in (run, pause, resume, backfill, create, delete):
    schedules.add_command(command)
