"""Serve the app by granian: threads of Python behind a Rust front that reads requests and drains on SIGTERM."""

from __future__ import annotations

import os
from typing import Final

from granian.constants import Interfaces
from granian.log import LogLevels
from granian.server import Server

from shared.settings import Settings, environment

CONNECTIONS: Final = 1_024  # open at once for each process; those beyond wait in the kernel's queue
STOP_SECONDS: Final = 25  # to finish what was begun; below the 30 s that supervisors usually give


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests that are there, and return."""
    os.environ.update(environment(settings))  # the workers read the same settings, wherever these came from
    Server(
        "ingress.wsgi:app",
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=settings.web_workers,
        blocking_threads=settings.web_threads,
        backlog=CONNECTIONS,
        backpressure=CONNECTIONS,
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS,
        log_access=False,
        # Its warnings are advice on settings; what goes wrong is an error.
        log_level=LogLevels.error,
    ).serve()
