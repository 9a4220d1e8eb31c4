"""Run the platform's processes, one command each; they log to standard output and end on SIGTERM or SIGINT."""

import os
import warnings
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from gristmill.shared.base.sentry import Framework
    from gristmill.shared.settings import Settings


@click.command()
def web() -> None:
    """Serve the HTTP ingress on GRISTMILL_HOST and GRISTMILL_PORT.

    \b
    Example:
      GRISTMILL_PORT=9000 gristmill web
    """  # noqa: D301  click's mark for text that is not to be wrapped
    settings = _begin("web", "flask")
    from gristmill.ingress.serve import run
    from gristmill.migrations.chains import all_chains
    from gristmill.shared.base import die_with_parent

    all_chains()  # refuses a table that two plugins declare
    die_with_parent.apply_to_forks()
    run(settings)


@click.command()
@click.option("--queue", required=True, help="The queue to consume; `gristmill queues list` shows all.")
@click.option(
    "--concurrency", type=click.IntRange(1, 256), help="Child processes, a job each.  [default: the queue's own]"
)
def worker(*, queue: str, concurrency: int | None) -> None:
    """Execute the jobs of one queue. Any number of workers may run, on any number of machines.

    \b
    Example:
      gristmill worker --queue email_queue --concurrency 5
    """  # noqa: D301  the same
    settings = _begin(f"worker_{queue.removesuffix('_queue')}", "celery")
    from celery.signals import worker_ready

    from gristmill.shared.queues import QUEUES
    from gristmill.workers.celery.worker import run

    if queue not in QUEUES:
        raise click.UsageError(f"no queue is called {queue[:100]!r}; there are {', '.join(QUEUES)}")
    # In a container `up` runs as root. Celery warns because of pickle, and we accept JSON only.
    warnings.filterwarnings("ignore", message="You're running the worker with superuser privileges")
    worker_ready.connect(_say_ready, weak=False)
    run(settings, queue=queue, concurrency=concurrency or QUEUES[queue].concurrency)


@click.command()
def relay() -> None:
    """Publish due hints from the outbox to the broker. Several relays may run side by side.

    \b
    Example:
      GRISTMILL_RELAY_BATCH=1000 gristmill relay
    """  # noqa: D301  the same
    settings = _begin("relay", "none")
    from gristmill.workers.relay.loop import run

    run(settings)


@click.command()
def beat() -> None:
    """Fire the schedules that are due, each once. Several may run side by side.

    \b
    Example:
      gristmill beat
    """  # noqa: D301  the same
    settings = _begin("beat", "celery")
    from gristmill.workers.celery.beat import run

    run(settings)


@click.command()
def maintenance() -> None:
    """Rescue jobs of lost workers and lost hints, record the broker's dead letters, prune history.

    \b
    Example:
      gristmill maintenance
    """  # noqa: D301  the same
    settings = _begin("maintenance", "none")
    from gristmill.workers.repair.maintenance import run

    run(settings)


@click.command()
@click.option("--allow-control", is_flag=True, help="Let users of the dashboard revoke tasks and shut workers down.")
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
    from gristmill.shared.plugins.load import load_plugins

    settings = command_settings()
    configure_logging(settings, process)
    configure_reporting(settings, process, framework=framework)
    load_plugins()
    return settings


def _say_ready(**_: object) -> None:
    """Touch the file that the environment names, so that the program which started us knows that we consume."""
    if name := os.environ.get("GRISTMILL_READY_FILE"):
        with suppress(OSError):
            Path(name).touch()
