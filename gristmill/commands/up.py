"""Run the platform: `gristmill up`."""

from pathlib import Path

import click

from gristmill.commands.options import DATA_FOLDER


@click.command()
@click.option("--rabbitmq", is_flag=True, help="Use a private RabbitMQ node as the broker, instead of Valkey.")
@click.option("--port", type=click.IntRange(1, 65535), help="Port of the API.  [default: GRISTMILL_PORT or 8000]")
@click.option(
    "--data", type=DATA_FOLDER, default=".gristmill", show_default=True, help="Folder for data, logs and secrets."
)
@click.option("--no-flower", is_flag=True, help="Do not start Flower, the workers' dashboard.")
@click.option("--no-mail", is_flag=True, help="Do not start the mail catcher.")
@click.option("--no-reload", is_flag=True, help="Do not reload the project when one of its files changes.")
def up(*, rabbitmq: bool, port: int | None, data: Path, no_flower: bool, no_mail: bool, no_reload: bool) -> int:
    """Run the whole platform here, without Docker: Postgres, Valkey, ingress, relay, workers, beat, Flower, mail.

    In the folder of a project (`gristmill init`), its tasks, tables, templates, queues and schedules are part of it.
    When one of its Python files or templates changes, all processes are replaced. Workers finish their jobs first.
    A change of .env takes effect at the next start.

    Data, logs and secrets are kept in .gristmill/ of this folder. GRISTMILL_DATABASE_URL, GRISTMILL_BROKER_URL,
    GRISTMILL_REDIS_URL and GRISTMILL_SMTP_URL, in the environment or in .env, each replace an embedded server by
    yours.

    \b
    These settings move the ports:
      GRISTMILL_PORT, GRISTMILL_FLOWER_PORT, GRISTMILL_MAIL_PORT, GRISTMILL_SMTP_PORT,
      GRISTMILL_POSTGRES_PORT, GRISTMILL_VALKEY_PORT,
      GRISTMILL_RABBITMQ_PORT, GRISTMILL_RABBITMQ_MANAGEMENT_PORT

    \b
    Examples:
      gristmill up
      gristmill up --rabbitmq
      gristmill up --port 9000 --data /var/tmp/mill
      GRISTMILL_DATABASE_URL=postgresql://me:secret@db/mill gristmill up
    """  # noqa: D301  click's mark for text that is not to be wrapped
    from gristmill.up.plan import Options
    from gristmill.up.run import run

    return run(
        Options(data=data, port=port, rabbitmq=rabbitmq, flower=not no_flower, mail=not no_mail, reload=not no_reload)
    )
