"""Serve the app by granian: Python threads behind a Rust server that reads requests and drains on SIGTERM."""

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
from gristmill.shared.plugins.declare_tasks import declare_in_background
from gristmill.shared.settings import Settings, environment

if TYPE_CHECKING:
    from flask import Flask

CONNECTIONS: Final = 1_024  # open at once in each process; further ones wait in the kernel's queue
HEAD_SECONDS: Final = 30  # for the head of a request, and between two requests of a kept connection
LARGEST_HEAD: Final = 64 * 1024  # bytes; more headers than clients send, and little memory for each connection
STOP_SECONDS: Final = 25  # to finish running requests; below the 30 s that supervisors usually give


def run(settings: Settings, target: str = "gristmill.ingress.serve:load") -> None:
    """Serve until SIGTERM or SIGINT, then finish the running requests, and return.

    Args:
        settings: also passed to the worker processes.
        target: the import path of the function that returns the app of a worker process.
    """
    os.environ.update(environment(settings))  # the worker processes load the same settings
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
        log_level=LogLevels.error,  # its warnings are advice on settings; failures are errors
    ).serve(target_loader=_load_named)


def _load_named(target: str) -> Flask:
    """Return the app of a worker process; granian's own loader puts the working folder first on the search path."""
    app: Flask = resolve_name(target)()
    return app


def _head_milliseconds(settings: Settings) -> int:
    """Return the time for a head: less than for a body, so that an idle connection never counts as a late body."""
    return int(min(HEAD_SECONDS, settings.web_body_seconds / 2) * 1000)


def load() -> Flask:
    """Return the app of a worker process; granian calls it there."""
    parent = parent_process()
    if parent is not None and parent.pid is not None:
        die_with(parent.pid)  # an orphan would go on answering on its port
    from gristmill.ingress.services import services_of
    from gristmill.ingress.wsgi import app

    declare_in_background(services_of(app).database)
    _on_stop_signal(services_of(app).followers.close)
    garbage_collection.collect_seldom()
    return app


def _on_stop_signal(close: Callable[[], None]) -> None:
    """Call `close` on SIGTERM or SIGINT, so that waiting requests end; granian then finishes the running ones.

    The handler of granian stays: the interpreter writes the number of each signal to a socket as well. That handler
    runs in the main thread, which sleeps. A signal that the kernel delivers to another thread does not wake it, and
    granian would serve until it is killed. So the signal is sent to the main thread once more.
    """
    main_thread = threading.main_thread().ident
    assert main_thread is not None  # noqa: S101  it has started
    reader, writer = socket.socketpair()
    writer.setblocking(False)
    signal.set_wakeup_fd(writer.fileno(), warn_on_full_buffer=False)

    def read_signals() -> None:
        with reader, writer:  # kept open: the interpreter continues to write to it
            while (number := reader.recv(1)[0]) not in (signal.SIGTERM, signal.SIGINT):
                pass
            signal.pthread_kill(main_thread, number)
            close()
            while reader.recv(1):
                pass

    threading.Thread(target=read_signals, name="signals", daemon=True).start()
