"""List and show the tasks that jobs can be posted for: `gristmill tasks`."""

from collections.abc import Mapping
from typing import Any, Final

import click

from gristmill.commands.common.api_command import ApiGroup, open_backend
from gristmill.commands.common.choices import Named, suggesting
from gristmill.commands.common.columns import title
from gristmill.output.fields import show_fields
from gristmill.output.paper import Paper
from gristmill.output.table import Column, plain, table
from gristmill.output.values import duration, text_of
from gristmill.output.view import View, view_options

TASKS: Final = (
    Column(name="TRIES", value=lambda row, _paper: text_of(row["retry"]["max_attempts"]), right=True),
    Column(name="LIMIT", value=lambda row, _paper: duration(row["time_limit"]), right=True),
    plain("EFFECTS", "effects"),
    plain("TASK", "name", is_id=True),
    plain("SUMMARY", "summary", least=8),
    plain("QUEUE", "queue", wide=True),
)
ARGS: Final = (
    Column(name="NEEDED", value=lambda row, _paper: text_of(row["needed"])),
    plain("TYPE", "type", least=6),
    plain("NAME", "name", is_id=True),
    plain("DESCRIPTION", "description", least=8),
)


@click.group(cls=ApiGroup)
def tasks() -> None:
    """List the tasks that jobs can be posted for.

    \b
    Examples:
      gristmill tasks list
      gristmill tasks show email.send
    """  # noqa: D301  click's mark for text that is not to be wrapped


@tasks.command(name="list")
@view_options
def list_(*, view: View) -> None:
    """List the tasks by name; jobs of `demo.` tasks are accepted only when GRISTMILL_DEMO_TASKS is on."""
    with open_backend() as backend:
        view.show(
            backend,
            lambda: backend.ask("list_tasks"),
            lambda found, paper: table(found["items"], TASKS, paper),
            "tasks",
        )


@tasks.command()
@click.argument("name", type=Named("task"))
@view_options
def show(*, name: str, view: View) -> None:
    """Show the task NAME with its arguments; -o json prints their JSON Schema."""
    with open_backend() as backend, suggesting(backend, "task", name):
        view.show(backend, lambda: backend.ask("show_task", name=name), _draw_task, f"task {name}")


def _draw_task(task: Mapping[str, Any], paper: Paper) -> list[str]:
    retry = task["retry"]
    shown = {
        "task": task["name"],
        "summary": task["summary"],
        "queue": task["queue"],
        "effects": task["effects"],
        "time limit": duration(task["time_limit"]),
        "attempts": retry["max_attempts"],
        "delays": f"{duration(retry['first_delay'])} × {retry['factor']:g}, at most {duration(retry['max_delay'])}",
    }
    rows = _arguments(task["args"])
    lines = show_fields(shown, paper)
    return [*lines, "", title("Arguments", paper), *table(rows, ARGS, paper)] if rows else lines


def _arguments(schema: Mapping[str, Any]) -> list[dict[str, Any]]:
    needed = schema.get("required", ())
    return [
        {
            "name": name,
            "needed": name in needed,
            "type": _type(one),
            "description": " ".join(
                filter(None, ("Secret." if one.get("writeOnly") else "", text_of(one.get("description"))))
            ),
        }
        for name, one in sorted(schema.get("properties", {}).items())
    ]


def _type(schema: Mapping[str, Any]) -> str:
    kinds = schema.get("type", "any")
    return " or ".join(kinds) if isinstance(kinds, list) else str(kinds)
