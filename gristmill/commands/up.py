"""`gristmill up`."""

from pathlib import Path

import click

from gristmill.commands.data_folder import FOLDER


@click.command()
@click.option("--rabbitmq", is_flag=True, help="A private RabbitMQ node is the broker, instead of Valkey.")
@click.option("--port", type=click.IntRange(1, 65535), help="Where the API listens.  [default: GRISTMILL_PORT or 8000]")
@click.option("--data", type=FOLDER, default=".gristmill", show_default=True, help="Where it keeps everything.")
@click.option("--no-flower", is_flag=True, help="Leave Flower, the workers' dashboard, out.")
@click.option("--no-mail", is_flag=True, help="Leave the mail catcher out.")
def up(*, rabbitmq: bool, port: int | None, data: Path, no_flower: bool, no_mail: bool) -> int:
    """Run the whole platform here, without Docker: Postgres, Valkey, ingress, relay, workers, beat, Flower, mail.

    Everything it keeps is in .gristmill/ of this folder. GRISTMILL_DATABASE_URL, GRISTMILL_BROKER_URL,
    GRISTMILL_REDIS_URL and GRISTMILL_SMTP_URL, in the environment or in .env, each replace a part by a real one.

    \b
    Examples:
      gristmill up
      gristmill up --rabbitmq
      gristmill up --port 9000 --data /var/tmp/mill
      GRISTMILL_DATABASE_URL=postgresql://me:secret@db/mill gristmill up
    """  # noqa: D301  click's mark for text that is not to be wrapped
    from gristmill.up.plan import Options
    from gristmill.up.run import run

    return run(Options(data=data, port=port, rabbitmq=rabbitmq, flower=not no_flower, mail=not no_mail))
