"""Migrate the database's schema, and write migrations: `gristmill db`."""

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gristmill.migrations.chains import Chain


@click.group()
def db() -> None:
    """Migrate the database's schema, show its revisions, and write migrations of your plugin.

    \b
    Examples:
      gristmill db upgrade                      apply the missing migrations; harmless when none is missing
      gristmill db current                      print the revisions of the database
      gristmill db sql > missing.sql            print them as SQL, to be applied by other tools
      gristmill db revision -m "add invoices"   write a migration of this project's tables
    """  # noqa: D301  click's mark for text that is not to be wrapped


@db.command()
@click.option("--sql", "as_sql", is_flag=True, help="Print the SQL instead, as `gristmill db sql` does.")
def upgrade(*, as_sql: bool) -> None:
    """Apply the missing migrations of the core and of all plugins. Running several at once is safe.

    \b
    Examples:
      gristmill db upgrade
      gristmill db upgrade --sql > missing.sql
    """  # noqa: D301  the same
    from gristmill import migrations
    from gristmill.commands.database import transaction

    if as_sql:
        click.echo(migrations.missing_sql(_url()), nl=False)
        return
    migrations.upgrade(_url())
    with transaction() as session:
        click.echo(f"The schema is current: {migrations.describe(session)}")


@db.command()
def current() -> int:
    """Print the revisions of the database. Exits with 1 if this version needs others.

    \b
    Example:
      gristmill db current
    """  # noqa: D301  the same
    from gristmill import migrations
    from gristmill.commands.database import transaction

    with transaction() as session:
        lag, found = migrations.lag(session), migrations.describe(session)
    if lag is None:
        click.echo(f"The schema is current: {found}")
        return 0
    click.echo(f"The schema is behind: {lag}. Run `gristmill db upgrade`")
    return 1


@db.command()
def sql() -> None:
    """Print the SQL of the missing migrations, for those who apply it by other tools. Nothing is applied.

    \b
    Example:
      gristmill db sql > missing.sql
    """  # noqa: D301  the same
    from gristmill import migrations

    click.echo(migrations.missing_sql(_url()), nl=False)


@db.command()
@click.option("-m", "--message", required=True, help="What it does, in a few words: they name the file, too.")
@click.option("--empty", is_flag=True, help="Write an empty one, to be filled in by hand.")
@click.option("--merge", is_flag=True, help="Join two heads, which two people have made side by side.")
@click.option("--plugin", metavar="NAME", help="Whose tables.  [default: the plugin of the project in this folder]")
def revision(*, message: str, empty: bool, merge: bool, plugin: str | None) -> None:
    """Write a migration: what differs between the tables of the database and those of the plugin's metadata.

    Read it before you apply it. It never drops a table: write `op.drop_table` by hand.

    \b
    Examples:
      gristmill db revision -m "add invoices"
      gristmill db revision -m "backfill totals" --empty
      gristmill db revision -m "join" --merge
    """  # noqa: D301  the same
    from gristmill.migrations.revise import write_revision

    for path in write_revision(_url(), _chain(plugin), message, empty=empty, merge=merge):
        click.echo(f"wrote {path}")


@db.command()
@click.argument("name")
def stamp(*, name: str) -> None:
    """Say that the tables of the plugin NAME are as its migrations make them, without applying any.

    \b
    Example:
      gristmill db stamp shop
    """  # noqa: D301  the same
    from gristmill import migrations

    migrations.stamp(_url(), _chain(name))
    click.echo(f"The tables of {name} are taken to be current")


@db.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop(*, name: str, yes: bool) -> None:
    """Drop the tables of the plugin NAME, which GRISTMILL_PLUGINS leaves out, with all their rows.

    \b
    Example:
      GRISTMILL_PLUGINS=mail,accounts gristmill db drop demo
    """  # noqa: D301  the same
    from gristmill.migrations.drop import count_rows, drop_chain

    rows = count_rows(_url(), name)
    for table, count in rows.items():
        click.echo(f"{table}: {count} rows")
    if not yes:
        click.confirm(f"Drop these {len(rows)} tables of {name}?", abort=True)
    drop_chain(_url(), name)
    click.echo(f"Dropped the tables of {name}")


def _url() -> str:
    from gristmill.commands.settings import command_settings

    return command_settings().direct_url.reveal()


def _chain(name: str | None) -> "Chain":
    """Return the chain of a plugin; of the project in the working folder by default."""
    from gristmill.migrations.chains import all_chains, chain_named
    from gristmill.shared.plugins.discover import project_plugin

    _url()  # reads .env, which may name the plugins
    chosen = name or project_plugin()
    if chosen is None:
        raise click.UsageError("there is no project in this folder: name the plugin with --plugin")
    return chain_named(chosen, all_chains())
