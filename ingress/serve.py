"""Serve the app by granian: threads of Python behind a Rust front that reads requests and drains on SIGTERM."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable
from multiprocessing import parent_process
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Final

from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings
from granian.log import LogLevels
from granian.server import Server

from gristmill.shared.base import garbage_collection
from gristmill.shared.base.die_with_parent import die_with
from gristmill.shared.settings import Settings, environment

if TYPE_CHECKING:
    from flask import Flask

CONNECTIONS: Final = 1_024  # open at once for each process; those beyond wait in the kernel's queue
HEAD_SECONDS: Final = 30  # for a request's head, and until the next one of a connection that is kept
LARGEST_HEAD: Final = 64 * 1024  # bytes; more headers than any client of ours sends, and little for each connection
STOP_SECONDS: Final = 25  # to finish what was begun; below the 30 s that supervisors usually give


def run(settings: Settings, target: str = "gristmill.ingress.serve:load") -> None:
    """Serve until SIGTERM or SIGINT, then finish the requests that are there, and return.

    Args:
        target: what returns the app of a worker process.
    """
    os.environ.update(environment(settings))  # the workers read the same settings, wherever these came from
    Server(
        target,
        address=settings.host,
        port=settings.port,
        interface=Interfaces.WSGI,
        workers=settings.web_workers,
        blocking_threads=settings.web_threads,
        backlog=CONNECTIONS,
        backpressure=CONNECTIONS,
        http=HTTPModes.http1,  # HTTP/2 puts many slow requests on one connection; a proxy in front may speak it
        http1_settings=HTTP1Settings(header_read_timeout=_head_milliseconds(settings), max_buffer_size=LARGEST_HEAD),
        respawn_failed_workers=True,
        workers_kill_timeout=STOP_SECONDS,
        log_access=False,
        log_level=LogLevels.error,  # its warnings are advice on settings; what goes wrong is an error
    ).serve(target_loader=_load_named)


def _load_named(target: str) -> Flask:
    """Return the app of a worker process; granian's own loader puts the working folder first on the search path."""
    app: Flask = resolve_name(target)()
    return app


def _head_milliseconds(settings: Settings) -> int:
    """Return the time for a head: less than for a body, so that a connection without a request never looks late."""
    return int(min(HEAD_SECONDS, settings.web_body_seconds / 2) * 1000)


def load() -> Flask:
    """Return the app of a worker process; granian calls it there."""
    parent = parent_process()
    if parent is not None and parent.pid is not None:
        die_with(parent.pid)  # an orphan would go on answering on its port
    from gristmill.ingress.services import services_of
    from gristmill.ingress.wsgi import app

    _when_told_to_end(services_of(app).followers.close)
    garbage_collection.collect_seldom()
    return app


def _when_told_to_end(close: Callable[[], None]) -> None:
    """Let what waits in this process come to its end; granian lets the requests that are there finish.

    Its own handler of the signal stays: the interpreter writes each signal's number to a socket as well. That handler
    runs in the main thread, which sleeps; a signal that the kernel gave to another thread does not wake it, and granian
    would go on serving until it is killed. So the main thread is sent the signal once more, itself.
    """
    main_thread = threading.main_thread().ident
    assert main_thread is not None  # noqa: S101  it has begun
    told, tells = socket.socketpair()
    tells.setblocking(False)
    signal.set_wakeup_fd(tells.fileno(), warn_on_full_buffer=False)

    def look() -> None:
        with told, tells:  # kept open: the interpreter goes on writing to it
            while (number := told.recv(1)[0]) not in (signal.SIGTERM, signal.SIGINT):
                pass
            signal.pthread_kill(main_thread, number)
            close()
            while told.recv(1):
                pass

    threading.Thread(target=look, name="signals", daemon=True).start()
