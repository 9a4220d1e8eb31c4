"""Create, list, rotate and revoke API keys and webhook secrets: `gristmill keys`."""

from collections.abc import Mapping
from typing import Any, Final

import click

from gristmill.commands.common.api_command import ApiGroup, current_target, open_backend
from gristmill.commands.common.choices import Choice, Named
from gristmill.commands.common.columns import age_column
from gristmill.commands.operating.find_producer import find_producer, get_producer, keys_of, producer_of_key
from gristmill.output.paper import Paper
from gristmill.output.table import Column, plain, table
from gristmill.output.values import read_time
from gristmill.output.view import View, list_options, say_more
from gristmill.shared.base.principal import SCOPES


def _state(key: Mapping[str, Any], paper: Paper) -> str:
    if key["revoked_at"] is not None:
        return "revoked"
    expires = key["expires_at"]
    return "expired" if expires is not None and read_time(expires) <= paper.now else "valid"


KEYS: Final = (
    age_column(),
    Column(name="STATE", value=_state, coloured=True),
    age_column("expires_at", "EXPIRES"),
    age_column("last_used_at", "USED"),
    plain("KEY", "id", is_id=True),
    plain("PRODUCER", "producer", least=8),
    Column(name="SCOPES", value=lambda row, _paper: ", ".join(row["scopes"]), least=8),
    Column(name="TASKS", value=lambda row, _paper: _tasks(row), wide=True),
)
_HOUR: Final = 3_600
_DAY: Final = 86_400


@click.group(cls=ApiGroup)
def keys() -> None:
    """Create, list, rotate and revoke API keys.

    \b
    Examples:
      gristmill keys create shop --scope jobs:write --scope jobs:read
      gristmill keys create shop --task email.send --days 90
      gristmill keys list
      gristmill keys rotate 4f1c09a2b7d3 --overlap 24
      gristmill keys revoke 4f1c09a2b7d3
      gristmill keys webhook-secret shop
    """  # noqa: D301  click's mark for text that is not to be wrapped


@keys.command()
@click.argument("producer")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    type=Choice(list(SCOPES)),
    help="A scope of the producer; repeat it for more.  [default: jobs:read and jobs:write]",
)
@click.option(
    "--task",
    "tasks",
    multiple=True,
    type=Named("task"),
    help="A task the producer may post; repeat it for more.  [default: all]",
)
@click.option("--quota", type=click.IntRange(1), help="Jobs that the producer may have in flight, at most.")
@click.option("--rate", type=click.FloatRange(0.01), help="Requests per second that the producer may make.")
@click.option("--burst", type=click.IntRange(1), help="Requests that the producer may make at once, if it has a rate.")
@click.option("--no-payloads", is_flag=True, help="Hide arguments and results from the producer.")
@click.option("--days", type=click.IntRange(1, 3650), help="Days until the key expires.  [default: never]")
def create(*, producer: str, days: int | None, no_payloads: bool, **wanted: Any) -> None:
    """Create a key for PRODUCER and print it, once. Creates the producer if it does not exist."""
    options = _producer_of(**wanted, no_payloads=no_payloads)
    with open_backend() as backend:
        found = find_producer(backend, producer)
        if found is not None and options:
            scopes = ", ".join(found["scopes"])
            raise click.UsageError(f"{producer} exists, with the scopes {scopes}: give no option but --days")
        if found is None:
            defaults = {"name": producer, "scopes": ["jobs:read", "jobs:write"]}
            found = backend.ask("create_producer", {**defaults, **options})
        body = {"expires_in": days * _DAY if days else None}
        made = backend.ask("create_key", body, producer_id=found["id"])
    scopes = ", ".join(found["scopes"])
    click.echo(f"{producer} ({scopes}). Keep this key, it is not shown again:", err=True)
    click.echo(made["token"])


@keys.command(name="list")
@click.argument("producer", required=False)
@list_options(default=100)
def list_(*, producer: str | None, view: View) -> None:
    """List the keys of PRODUCER, or of all, newest first, by their public halves."""
    with open_backend() as backend:

        def ask() -> Any:
            found = keys_of(backend, producer)
            shown = {"items": found[: view.limit], "next_cursor": "more" if len(found) > view.limit else None}
            say_more(shown, view.limit)
            return {**shown, "next_cursor": None}

        view.show(backend, ask, _draw_keys, "keys")


@keys.command()
@click.argument("key")
@click.option(
    "--overlap",
    type=click.IntRange(0, 2160),
    default=24,
    show_default=True,
    help="Hours for which the old key stays valid.",
)
def rotate(*, key: str, overlap: int) -> None:
    """Replace KEY (its public half, as `list` shows it) by a new key, and print that, once."""
    public = _public_half(key)
    with open_backend() as backend:
        producer = producer_of_key(backend, public)
        body = {"overlap": overlap * _HOUR}
        made = backend.ask("rotate_key", body, producer_id=producer["id"], key_id=public)
    click.echo(f"{public} stays valid for {overlap} h. Keep the new key, it is not shown again:", err=True)
    click.echo(made["token"])


@keys.command()
@click.argument("key")
@click.option("--force", is_flag=True, help="On the server: even if it is the last one that may create keys.")
def revoke(*, key: str, force: bool) -> None:
    """Revoke KEY (its public half, as `list` shows it). Every process refuses it within seconds."""
    if force and current_target().address is not None:
        raise click.UsageError("--force works on the server only, where its database is: the API keeps the last admin")
    public = _public_half(key)
    with open_backend() as backend:
        producer = producer_of_key(backend, public)
        backend.ask("revoke_key", {"force": True} if force else {}, producer_id=producer["id"], key_id=public)
    click.echo(f"{public} is revoked")


@keys.command()
@click.argument("producer")
@click.option(
    "--overlap",
    type=click.IntRange(0, 2160),
    default=24,
    show_default=True,
    help="Hours for which the old secret stays valid, if there is one.",
)
def webhook_secret(*, producer: str, overlap: int) -> None:
    """Create or replace the secret that signs PRODUCER's callbacks, and print it, once."""
    with open_backend() as backend:
        found = get_producer(backend, producer)
        body = {"overlap": overlap * _HOUR}
        made = backend.ask("make_webhook_secret_of_producer", body, producer_id=found["id"])
    click.echo(f"The callbacks of {producer} are signed with this. Keep it, it is not shown again:", err=True)
    click.echo(made["secret"])


def _producer_of(
    *,
    scopes: tuple[str, ...],
    tasks: tuple[str, ...],
    quota: int | None,
    rate: float | None,
    burst: int | None,
    no_payloads: bool,
) -> dict[str, Any]:
    """Return what was given of a new producer, as the API takes it."""
    wanted = {
        "scopes": list(scopes) or None,
        "allowed_tasks": list(tasks) or None,
        "quota": quota,
        "rate": rate,
        "burst": burst,
        "sees_payloads": False if no_payloads else None,
    }
    return {name: value for name, value in wanted.items() if value is not None}


def _draw_keys(found: Any, paper: Paper) -> list[str]:
    if not found["items"]:
        return ["There are no keys yet: `gristmill keys create NAME` creates one"]
    return table(found["items"], KEYS, paper)


def _tasks(key: Mapping[str, Any]) -> str:
    return "all" if key["allowed_tasks"] is None else ", ".join(key["allowed_tasks"])


def _public_half(key: str) -> str:
    return key.removeprefix("gm_").partition("_")[0]
