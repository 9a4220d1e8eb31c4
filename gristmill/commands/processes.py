"""The platform's processes, one command each: they log to standard output and end on SIGTERM or SIGINT."""

import os
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import click

if TYPE_CHECKING:
    from gristmill.shared.base.sentry import Framework
    from gristmill.shared.settings import Settings

# As in gristmill.shared.queues, which costs --help nothing to leave alone; a test compares the two.
QUEUE_NAMES: Final = ("user_queue", "email_queue", "notification_queue", "data_processing_queue", "priority_queue")


@click.command()
def web() -> None:
    """Serve the HTTP ingress on GRISTMILL_HOST and GRISTMILL_PORT.

    \b
    Example:
      GRISTMILL_PORT=9000 gristmill web
    """  # noqa: D301  click's mark for text that is not to be wrapped
    settings = _begin("web", "flask")
    from gristmill.ingress.serve import run
    from gristmill.lifeline import tie_forks

    tie_forks()

    run(settings)


@click.command()
@click.option("--queue", required=True, type=click.Choice(QUEUE_NAMES), help="The queue to consume.")
@click.option("--concurrency", type=click.IntRange(1, 256), help="Child processes.  [default: the queue's own]")
def worker(*, queue: str, concurrency: int | None) -> None:
    """Execute the jobs of one queue. Start as many as you like, on as many machines.

    \b
    Example:
      gristmill worker --queue email_queue --concurrency 5
    """  # noqa: D301  the same
    settings = _begin(f"worker_{queue.removesuffix('_queue')}", "celery")
    from celery.signals import worker_ready

    from gristmill.shared.queues import QUEUES
    from gristmill.workers.celery.worker import run

    # Root is what `up` runs as in a container. What Celery warns of is pickle, and we accept JSON only.
    warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")
    worker_ready.connect(_say_ready, weak=False)
    run(settings, queue=queue, concurrency=concurrency or QUEUES[queue].concurrency)


@click.command()
def relay() -> None:
    """Move due hints from the outbox to the broker. Several run side by side.

    \b
    Example:
      GRISTMILL_RELAY_BATCH=1000 gristmill relay
    """  # noqa: D301  the same
    settings = _begin("relay", "none")
    from gristmill.workers.relay.loop import run

    run(settings)


@click.command()
def beat() -> None:
    """Fire the schedules that are due, each once. Several run side by side.

    \b
    Example:
      gristmill beat
    """  # noqa: D301  the same
    settings = _begin("beat", "celery")
    from gristmill.workers.celery.beat import run

    run(settings)


@click.command()
def maintenance() -> None:
    """Rescue what was lost, record what the broker gave up, prune history.

    \b
    Example:
      gristmill maintenance
    """  # noqa: D301  the same
    settings = _begin("maintenance", "none")
    from gristmill.workers.repair.maintenance import run

    run(settings)


@click.command()
@click.option("--allow-control", is_flag=True, help="Whoever has the password may also revoke tasks and end workers.")
def flower(*, allow_control: bool) -> None:
    """Serve Flower, the workers' dashboard, on GRISTMILL_HOST and GRISTMILL_FLOWER_PORT, behind a password.

    \b
    Example:
      GRISTMILL_FLOWER_PASSWORD=$(openssl rand -hex 16) gristmill flower
    """  # noqa: D301  the same
    settings = _begin("flower", "none")
    from gristmill.workers.celery.flower import run

    run(settings, read_only=not allow_control)


def _begin(process: str, framework: "Framework") -> "Settings":
    from gristmill.commands.settings import command_settings
    from gristmill.shared.base.logging import configure_logging
    from gristmill.shared.base.sentry import configure_reporting

    settings = command_settings()
    configure_logging(settings, process)
    configure_reporting(settings, process, framework=framework)
    return settings


def _say_ready(**_: object) -> None:
    """Tell whoever started us, and left the name of a file in the environment for it, that we consume."""
    if name := os.environ.get("GRISTMILL_READY_FILE"):
        with suppress(OSError):
            Path(name).touch()
