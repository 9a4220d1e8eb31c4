"""`gristmill db`: the database's schema."""

import click


@click.group()
def db() -> None:
    """Bring the database's schema up to date.

    \b
    Examples:
      gristmill db upgrade      apply what is missing; harmless when nothing is
      gristmill db current      say where the database stands
    """  # noqa: D301  click's mark for text that is not to be wrapped


@db.command()
def upgrade() -> None:
    """Apply the migrations that are missing. Several at once are safe."""
    from gristmill import migrations
    from gristmill.commands.settings import command_settings

    migrations.upgrade(command_settings().direct_url.reveal())
    click.echo(f"The schema is at {migrations.head()}")


@db.command()
def current() -> int:
    """Say which revision the database has; exit code 1 when it is not the one that this version needs."""
    from gristmill import migrations
    from gristmill.commands.settings import transaction

    with transaction() as session:
        found = migrations.current(session)
    needed = migrations.head()
    if found == needed:
        click.echo(f"The schema is at {needed}, as this version needs it")
        return 0
    click.echo(f"The schema is at {found or 'nothing'}, and this version needs {needed}: run `gristmill db upgrade`")
    return 1
