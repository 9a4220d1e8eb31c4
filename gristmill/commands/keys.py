"""Create, list, rotate and revoke API keys and webhook secrets: `gristmill keys`."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

import click

from gristmill.commands.output import page_options, show_page
from gristmill.commands.settings import load_registry
from gristmill.shared.base.principal import SCOPES

if TYPE_CHECKING:
    from gristmill.shared.producers.models import ApiKey, Producer


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
    "--scope",
    "scopes",
    multiple=True,
    type=click.Choice(list(SCOPES)),
    help="A scope of the producer; repeat it for more.  [default: jobs:read and jobs:write]",
)
@click.option(
    "--task", "tasks", multiple=True, help="A task the producer may post; repeat it for more.  [default: all]"
)
@click.option("--quota", type=click.IntRange(1), help="Jobs that the producer may have in flight, at most.")
@click.option("--rate", type=click.FloatRange(0.01), help="Requests per second that the producer may make.")
@click.option("--burst", type=click.IntRange(1), help="Requests that the producer may make at once, if it has a rate.")
@click.option("--no-payloads", is_flag=True, help="Hide arguments and results from the producer.")
@click.option("--days", type=click.IntRange(1, 3650), help="Days until the key expires.  [default: never]")
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
    """Create a key for PRODUCER and print it, once. Creates the producer if it does not exist."""
    from gristmill.commands.database import transaction
    from gristmill.shared.producers.queries import create_producer, find_producer
    from gristmill.shared.producers.queries_keys import create_key

    with transaction() as session:
        found = find_producer(session, producer)
        if found is not None and (scopes or tasks or quota or rate or burst or no_payloads):
            raise click.UsageError(
                f"{producer} exists, with the scopes {', '.join(found.scopes)}: give no option but --days"
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
@page_options(default=100)
def list_(*, limit: int, as_json: bool) -> None:
    """List the keys, newest first, by their public halves."""
    from gristmill.commands.database import transaction
    from gristmill.shared.producers.queries_keys import list_all_keys

    with transaction() as session:
        show_page(
            lambda most: [_row(producer, key) for producer, key in list_all_keys(session, limit=most)],
            limit=limit,
            as_json=as_json,
            empty="There are no keys yet: `gristmill keys create NAME` creates one",
        )


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
    from gristmill.commands.bulk import actor
    from gristmill.commands.database import transaction
    from gristmill.shared.producers.manage import rotate_key
    from gristmill.shared.producers.queries_keys import find_key

    public = _public_half(key)
    with transaction() as session:
        old = find_key(session, public)
        _, token = rotate_key(session, old.producer_id, public, actor=actor(), overlap=timedelta(hours=overlap))
        click.echo(f"{public} stays valid for {overlap} h. Keep the new key, it is not shown again:", err=True)
    click.echo(token)


@keys.command()
@click.argument("key")
@click.option("--force", is_flag=True, help="Revoke it even if it is the last one that may create keys.")
def revoke(*, key: str, force: bool) -> None:
    """Revoke KEY (its public half, as `list` shows it). Every process refuses it within seconds."""
    from gristmill.commands.bulk import actor
    from gristmill.commands.database import transaction
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
    help="Hours for which the old secret stays valid, if there is one.",
)
def webhook_secret(*, producer: str, overlap: int) -> None:
    """Create or replace the secret that signs PRODUCER's callbacks, and print it, once."""
    from gristmill.commands.bulk import actor
    from gristmill.commands.database import transaction
    from gristmill.shared.producers.queries import find_producer
    from gristmill.shared.producers.webhook_secrets import make_secret

    with transaction() as session:
        found = find_producer(session, producer)
        if found is None:
            raise click.UsageError(f"No producer is called {producer!r}: `gristmill keys create {producer}` creates it")
        _, token = make_secret(session, found.id, actor=actor(), overlap=timedelta(hours=overlap))
        click.echo(f"The callbacks of {producer} are signed with this. Keep it, it is not shown again:", err=True)
    click.echo(token)


def _row(producer: "Producer", key: "ApiKey") -> dict[str, Any]:
    return {
        "key": key.id,
        "producer": producer.name,
        "scopes": ", ".join(producer.scopes),
        "tasks": ", ".join(producer.allowed_tasks) if producer.allowed_tasks is not None else "all",
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
    }


def _public_half(key: str) -> str:
    return key.removeprefix("gm_").partition("_")[0]


def _require_known(names: tuple[str, ...]) -> None:
    for name in names:
        load_registry().get(name)
