"""List the tasks that jobs can be posted for: `gristmill tasks`."""

import click

from gristmill.commands.output import json_option, show_rows
from gristmill.commands.settings import load_registry


@click.group()
def tasks() -> None:
    """List the tasks that jobs can be posted for.

    \b
    Example:
      gristmill tasks list
    """  # noqa: D301  click's mark for text that is not to be wrapped


@tasks.command(name="list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the tasks by name; jobs of `demo.` tasks are accepted only when GRISTMILL_DEMO_TASKS is on."""
    rows = [
        {
            "task": task.name,
            "queue": task.queue.name,
            "attempts": task.retry.max_attempts,
            "time_limit": f"{task.time_limit.total_seconds():g} s",
            "effects": task.effects,
            "summary": task.summary,
        }
        for task in load_registry()
    ]
    show_rows(rows, as_json=as_json, empty="No tasks")
