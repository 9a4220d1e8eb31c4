"""`gristmill keys`: who may post jobs."""

from datetime import timedelta
from typing import Final

import click

from gristmill.commands.output import json_option, show_rows
from gristmill.shared.base.principal import SCOPES

_SHOWN: Final = 100


@click.group()
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
    "--scope", "scopes", multiple=True, type=click.Choice(list(SCOPES)), help="What the producer may do; repeat it."
)
@click.option("--task", "tasks", multiple=True, help="The only tasks the producer may post; repeat it.")
@click.option("--quota", type=click.IntRange(1), help="The most jobs that the producer may have in flight.")
@click.option("--rate", type=click.FloatRange(0.01), help="Requests a second that the producer may make.")
@click.option("--burst", type=click.IntRange(1), help="Requests at once, where it has a rate.")
@click.option("--no-payloads", is_flag=True, help="The producer is not shown arguments and results.")
@click.option("--days", type=click.IntRange(1, 3650), help="How long the key is good for.  [default: until revoked]")
def create(
    *,
    producer: str,
    scopes: tuple[str, ...],
    tasks: tuple[str, ...],
    quota: int | None,
    rate: float | None,
    burst: int | None,
    no_payloads: bool,
    days: int | None,
) -> None:
    """Make a key for PRODUCER and print it; nobody can see it again. Makes the producer when there is none."""
    from gristmill.commands.settings import transaction
    from gristmill.shared.producers.queries import create_producer, find_producer
    from gristmill.shared.producers.queries_keys import create_key

    with transaction() as session:
        found = find_producer(session, producer)
        if found is not None and (scopes or tasks or quota or rate or burst or no_payloads):
            raise click.UsageError(
                f"{producer} exists, with {', '.join(found.scopes)}: leave all options but --days out"
            )
        if found is None:
            _require_known(tasks)
            chosen = scopes or ("jobs:read", "jobs:write")
            found = create_producer(
                session,
                producer,
                chosen,
                allowed_tasks=tasks or None,
                quota=quota,
                rate=rate,
                burst=burst,
                sees_payloads=not no_payloads,
            )
        token = create_key(session, found, lifetime=timedelta(days=days) if days else None)
        click.echo(f"{producer} ({', '.join(found.scopes)}). Keep this key, it is not shown again:", err=True)
    click.echo(token)


@keys.command(name="list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the keys, newest first; of each only its public half."""
    from gristmill.commands.settings import transaction
    from gristmill.shared.producers.queries_keys import list_all_keys

    with transaction() as session:
        rows = [
            {
                "key": key.id,
                "producer": producer.name,
                "scopes": ", ".join(producer.scopes),
                "tasks": ", ".join(producer.allowed_tasks) if producer.allowed_tasks is not None else "all",
                "created_at": key.created_at,
                "expires_at": key.expires_at,
                "revoked_at": key.revoked_at,
                "last_used_at": key.last_used_at,
            }
            for producer, key in list_all_keys(session, limit=_SHOWN)
        ]
    show_rows(rows, as_json=as_json, empty="There are no keys yet: `gristmill keys create NAME` makes one")


@keys.command()
@click.argument("key")
@click.option(
    "--overlap", type=click.IntRange(0, 2160), default=24, show_default=True, help="Hours that the old key goes on."
)
def rotate(*, key: str, overlap: int) -> None:
    """Make a new key in the place of KEY (its public half, as `list` shows it), and print it."""
    from gristmill.commands.bulk import actor
    from gristmill.commands.settings import transaction
    from gristmill.shared.producers.manage import rotate_key
    from gristmill.shared.producers.queries_keys import find_key

    public = _public_half(key)
    with transaction() as session:
        old = find_key(session, public)
        _, token = rotate_key(session, old.producer_id, public, actor=actor(), overlap=timedelta(hours=overlap))
        click.echo(f"{public} goes on for {overlap} h. Keep the new key, it is not shown again:", err=True)
    click.echo(token)


@keys.command()
@click.argument("key")
@click.option("--force", is_flag=True, help="Also the last one that may make keys.")
def revoke(*, key: str, force: bool) -> None:
    """Make KEY (its public half, as `list` shows it) worthless, within seconds everywhere."""
    from gristmill.commands.bulk import actor
    from gristmill.commands.settings import transaction
    from gristmill.shared.producers.manage import revoke as revoke_it
    from gristmill.shared.producers.queries_keys import find_key

    public = _public_half(key)
    with transaction() as session:
        revoke_it(session, find_key(session, public).producer_id, public, actor=actor(), force=force)
    click.echo(f"{public} is revoked")


@keys.command()
@click.argument("producer")
@click.option(
    "--overlap",
    type=click.IntRange(0, 2160),
    default=24,
    show_default=True,
    help="Hours that the old secret goes on, if there is one.",
)
def webhook_secret(*, producer: str, overlap: int) -> None:
    """Make the secret that signs PRODUCER's callbacks, or replace it, and print it; nobody can see it again."""
    from gristmill.commands.bulk import actor
    from gristmill.commands.settings import transaction
    from gristmill.shared.producers.queries import find_producer
    from gristmill.shared.producers.webhook_secrets import make_secret

    with transaction() as session:
        found = find_producer(session, producer)
        if found is None:
            raise click.UsageError(f"No producer is called {producer!r}: `gristmill keys create {producer}` makes it")
        _, token = make_secret(session, found.id, actor=actor(), overlap=timedelta(hours=overlap))
        click.echo(f"The callbacks of {producer} are signed with this. Keep it, it is not shown again:", err=True)
    click.echo(token)


def _public_half(key: str) -> str:
    return key.removeprefix("gm_").partition("_")[0]


def _require_known(names: tuple[str, ...]) -> None:
    from gristmill import tasks as _  # noqa: F401  fills the registry
    from gristmill.shared.task import registry

    for name in names:
        registry.get(name)
