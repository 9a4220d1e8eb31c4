"""`gristmill schedules`: what fires when."""

import click

from gristmill.commands.output import json_option, show_rows

_SHOWN = 1000


@click.group()
def schedules() -> None:
    """List the schedules.

    \b
    Example:
      gristmill schedules list
    """  # noqa: D301  click's mark for text that is not to be wrapped


@schedules.command(name="list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the schedules by name, with the time of their next fire."""
    from gristmill.commands.settings import transaction
    from shared.queries.overview import list_schedules

    with transaction() as session:
        rows = [
            {
                "name": each.name,
                "when": each.cron or f"every {each.every:g} s",
                "timezone": each.timezone,
                "task": each.task,
                "enabled": each.enabled,
                "next_fire_at": each.next_fire_at,
                "catch_up": each.catch_up,
                "overlap": each.overlap,
            }
            for each in list_schedules(session, limit=_SHOWN)
        ]
    show_rows(rows, as_json=as_json, empty="No schedules: beat writes those of tasks/schedules.py when it starts")
