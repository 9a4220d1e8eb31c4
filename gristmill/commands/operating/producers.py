"""List, show and change producers: `gristmill producers`."""

from collections.abc import Mapping
from typing import Any, Final

import click

from gristmill.commands.common.api_command import ApiGroup, ask_pages, open_backend
from gristmill.commands.common.choices import Choice, Named
from gristmill.commands.common.columns import age_column
from gristmill.commands.operating.find_producer import get_producer
from gristmill.output.fields import show_fields
from gristmill.output.paper import Paper
from gristmill.output.table import Column, plain, table
from gristmill.output.values import moment, number, text_of
from gristmill.output.view import View, list_options, say_more, view_options
from gristmill.shared.base.principal import SCOPES

PRODUCERS: Final = (
    age_column(),
    Column(name="STATE", value=lambda row, _paper: _state(row)),
    Column(name="QUOTA", value=lambda row, _paper: number(row["quota"]) if row["quota"] else "", right=True),
    Column(name="RATE", value=lambda row, _paper: f"{row['rate']:g}/s" if row["rate"] else "", right=True),
    plain("PRODUCER", "name", is_id=True),
    Column(name="SCOPES", value=lambda row, _paper: ", ".join(row["scopes"]), least=8),
    Column(name="TASKS", value=lambda row, _paper: _tasks(row), least=5),
    plain("BURST", "burst", wide=True),
    plain("SEES PAYLOADS", "sees_payloads", wide=True),
    plain("ID", "id", wide=True),
)


@click.group(cls=ApiGroup)
def producers() -> None:
    """List, show and change producers: the applications that may post jobs. `gristmill keys create` makes one.

    \b
    Examples:
      gristmill producers list
      gristmill producers show shop
      gristmill producers change shop --quota 10000
      gristmill producers disable shop
      gristmill producers enable shop
    """  # noqa: D301  click's mark for text that is not to be wrapped


@producers.command(name="list")
@list_options(default=100)
def list_(*, view: View) -> None:
    """List the producers by name."""
    with open_backend() as backend:

        def ask() -> Any:
            found = ask_pages(backend, "list_producers", view.limit)
            say_more(found, view.limit)
            return found

        view.show(backend, ask, _draw_producers, "producers")


@producers.command()
@click.argument("name")
@view_options
def show(*, name: str, view: View) -> None:
    """Show the producer NAME: its scopes, its tasks and its limits."""
    with open_backend() as backend:
        view.show(backend, lambda: get_producer(backend, name), _draw_producer, f"producer {name}")


@producers.command()
@click.argument("name")
@click.option("--scope", "scopes", multiple=True, type=Choice(list(SCOPES)), help="All its scopes; repeat it for more.")
@click.option("--task", "tasks", multiple=True, type=Named("task"), help="All tasks it may post; repeat it for more.")
@click.option("--all-tasks", is_flag=True, help="It may post every task.")
@click.option("--quota", type=click.IntRange(1), help="Jobs that it may have in flight, at most.")
@click.option("--rate", type=click.FloatRange(0.01), help="Requests per second that it may make.")
@click.option("--burst", type=click.IntRange(1), help="Requests that it may make at once, if it has a rate.")
def change(*, name: str, scopes: tuple[str, ...], tasks: tuple[str, ...], all_tasks: bool, **limits: Any) -> None:
    """Change the permissions or limits of the producer NAME. What is not given stays as it is."""
    body: dict[str, Any] = {option: value for option, value in limits.items() if value is not None}
    if scopes:
        body["scopes"] = list(scopes)
    if tasks or all_tasks:
        body["allowed_tasks"] = None if all_tasks else list(tasks)
    if not body:
        raise click.UsageError("give what is to be changed: --scope, --task, --quota, …")
    _change(name, body)
    click.echo(f"{name} is changed, within seconds everywhere")


@producers.command()
@click.argument("name")
def disable(*, name: str) -> None:
    """Disable the producer NAME: none of its keys is valid until it is enabled again."""
    _change(name, {"enabled": False})
    click.echo(f"{name} is disabled; `gristmill producers enable {name}` enables it")


@producers.command()
@click.argument("name")
def enable(*, name: str) -> None:
    """Enable the producer NAME: its keys are valid again."""
    _change(name, {"enabled": True})
    click.echo(f"{name} is enabled")


def _change(name: str, changes: dict[str, Any]) -> None:
    with open_backend() as backend:
        backend.ask("change_producer", changes, producer_id=get_producer(backend, name)["id"])


def _draw_producers(found: Any, paper: Paper) -> list[str]:
    if not found["items"]:
        return ["There are no producers yet: `gristmill keys create NAME` creates one"]
    return table(found["items"], PRODUCERS, paper)


def _draw_producer(producer: Mapping[str, Any], paper: Paper) -> list[str]:
    shown = {
        "producer": producer["name"],
        "id": producer["id"],
        "state": _state(producer),
        "scopes": ", ".join(producer["scopes"]),
        "tasks": _tasks(producer),
        "quota": producer["quota"],
        "rate": f"{producer['rate']:g} requests a second" if producer["rate"] else None,
        "burst": producer["burst"],
        "sees payloads": text_of(producer["sees_payloads"]),
        "created": moment(producer["created_at"], paper.now),
        "disabled": moment(producer["disabled_at"], paper.now),
    }
    return show_fields(shown, paper)


def _state(producer: Mapping[str, Any]) -> str:
    return "enabled" if producer["disabled_at"] is None else "disabled"


def _tasks(producer: Mapping[str, Any]) -> str:
    return "all" if producer["allowed_tasks"] is None else ", ".join(producer["allowed_tasks"])
