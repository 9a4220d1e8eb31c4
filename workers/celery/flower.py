"""Serve Flower, the workers' dashboard: behind a password, and read-only unless asked otherwise."""

from __future__ import annotations

import asyncio
import os
import signal
from typing import TYPE_CHECKING, Any, Final

import structlog

from gristmill.shared.errors import SettingsError
from gristmill.workers.celery.app import make_app

if TYPE_CHECKING:
    from flower.app import Flower

    from gristmill.shared.settings import Settings

INSPECT_TIMEOUT: Final = 3_000  # milliseconds; a worker that executes answers between two messages
MOST_TASKS: Final = 10_000  # kept in memory, some 2 KB each
MOST_WORKERS: Final = 200

log = structlog.get_logger(__name__)


def run(settings: Settings, *, read_only: bool = True) -> None:
    """Serve Flower on `settings.host` and `settings.flower_port` until SIGTERM or SIGINT.

    Flower shows arguments, results and the broker on pages that are open by default, so here it needs a password. It
    keeps its data in memory.

    Args:
        settings: where it listens, and its user and password.
        read_only: False lets whoever has the password revoke tasks and shut workers down.

    Raises:
        SettingsError: GRISTMILL_FLOWER_PASSWORD is not set.
        OSError: the port is taken.
    """
    if settings.flower_password is None or not settings.flower_password.reveal():
        msg = (
            "Flower shows what is in the queues, so it needs a password: set GRISTMILL_FLOWER_PASSWORD "
            "(for instance to the output of `openssl rand -hex 16`)"
        )
        raise SettingsError(msg)
    # Read at each request, and the one switch that opens the API without a password.
    os.environ.pop("FLOWER_UNAUTHENTICATED_API", None)
    asyncio.run(_serve(settings, read_only=read_only))


async def _serve(settings: Settings, *, read_only: bool) -> None:
    flower = _make(settings, read_only=read_only)
    loop, stopped = asyncio.get_running_loop(), asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stopped.set)
    flower.start_http_server()
    flower.events.start()
    flower.update_workers()
    log.info("flower.ready", host=settings.host, port=settings.flower_port, read_only=read_only)
    await stopped.wait()
    # Its threads wait for the broker without a limit; they hold nothing that would have to be saved.
    log.info("flower.stopped")
    os._exit(0)


def _make(settings: Settings, *, read_only: bool) -> Flower:
    from flower.app import Flower
    from flower.options import default_options
    from flower.urls import settings as flower_settings
    from tornado.ioloop import IOLoop

    for name, value in _options(settings, read_only=read_only).items():
        setattr(default_options, name, value)
    return Flower(capp=make_app(settings), options=default_options, io_loop=IOLoop.current(), **flower_settings)


def _options(settings: Settings, *, read_only: bool) -> dict[str, Any]:
    assert settings.flower_password is not None  # noqa: S101  `run` has checked
    return {
        "address": settings.host,
        "port": settings.flower_port,
        "basic_auth": [f"{settings.flower_user}:{settings.flower_password.reveal()}"],
        "read_only": read_only,
        "persistent": False,
        "inspect_timeout": float(INSPECT_TIMEOUT),
        "max_tasks": MOST_TASKS,
        "max_workers": MOST_WORKERS,
        "enable_events": settings.worker_events,
    }
