"""Migrate the database's schema and show its revision: `gristmill db`."""

import click


@click.group()
def db() -> None:
    """Migrate the database's schema, and show its revision.

    \b
    Examples:
      gristmill db upgrade      apply the missing migrations; harmless when none is missing
      gristmill db current      print the revision of the database
    """  # noqa: D301  click's mark for text that is not to be wrapped


@db.command()
def upgrade() -> None:
    """Apply the missing migrations. Running several at once is safe."""
    from gristmill import migrations
    from gristmill.commands.settings import command_settings

    migrations.upgrade(command_settings().direct_url.reveal())
    click.echo(f"The schema is at {migrations.head()}")


@db.command()
def current() -> int:
    """Print the revision of the database. Exits with 1 if this version needs another one."""
    from gristmill import migrations
    from gristmill.commands.database import transaction

    with transaction() as session:
        found = migrations.current(session)
    needed = migrations.head()
    if found == needed:
        click.echo(f"The schema is at {needed}, as this version needs it")
        return 0
    click.echo(f"The schema is at {found or 'nothing'}, and this version needs {needed}: run `gristmill db upgrade`")
    return 1
