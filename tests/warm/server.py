"""Fork a `gristmill` process for each connection; run as `python -m tests.warm.server SOCKET PARENT`.

The first message of a connection says what to run and brings its standard output and error. Each later message is
answered by the exit code, or by `null` while the process runs. What has ended stays a zombie until somebody asks, as
with `subprocess.Popen`.
"""

import atexit
import gc
import importlib
import json
import os
import selectors
import socket
import sys
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, NoReturn

from gristmill.shared.base.crashpoints import VARIABLE
from gristmill.shared.base.die_with_parent import die_with

# All that the commands import when they are called, except what acts when it is imported.
IMPORTED: Final = (
    "celery.apps.worker", "celery.bin.worker", "celery.concurrency.prefork", "celery.worker.components",
    "celery.worker.consumer", "gristmill.backends.database_operations.dead_letters",
    "gristmill.backends.database_operations.jobs", "gristmill.backends.database_operations.producers",
    "gristmill.backends.database_operations.queues", "gristmill.backends.database_operations.schedules",
    "gristmill.backends.database_operations.tasks", "gristmill.backends.in_database", "gristmill.backends.over_http",
    "gristmill.backends.target", "gristmill.commands.completion", "gristmill.commands.database",
    "gristmill.commands.db", "gristmill.commands.doctor", "gristmill.commands.operating.dead_letters",
    "gristmill.commands.operating.jobs", "gristmill.commands.operating.keys",
    "gristmill.commands.operating.producers", "gristmill.commands.operating.queues",
    "gristmill.commands.operating.schedules", "gristmill.commands.operating.tasks",
    "gristmill.commands.processes", "gristmill.commands.profile", "gristmill.commands.settings",
    "gristmill.ingress.app", "gristmill.ingress.serve",
    "gristmill.ingress.services", "gristmill.migrations", "gristmill.shared.base.logging",
    "gristmill.shared.base.sentry", "gristmill.migrations.core",
    "gristmill.tasks.callbacks.deliver_webhook", "gristmill.workers.celery.beat",
    "gristmill.workers.celery.worker", "gristmill.workers.relay.loop", "gristmill.workers.repair.maintenance",
    "kombu.transport.pyamqp", "kombu.transport.redis", "sqlalchemy.dialects.postgresql.psycopg2",
)  # fmt: skip
LARGEST: Final = 256 * 1024  # bytes of a message: a command line and an environment
DESCRIPTORS: Final = 1024  # none of ours is above


@dataclass(frozen=True)
class Order:
    """One process to fork."""

    arguments: list[str]
    env: dict[str, str]
    cwd: str
    output: tuple[int, int]


def main() -> NoReturn:
    """Serve; in a fork, return from serving and be that process."""
    path, parent = sys.argv[1:]
    die_with(int(parent))
    for name in IMPORTED:
        importlib.import_module(name)
    gc.collect()
    gc.freeze()
    maker = os.getpid()
    become(serve(path), maker)


def serve(path: str) -> Order:
    """Answer until we are killed; return in each fork, with what it is to run."""
    listener = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    listener.bind(f"{path}.new")
    listener.listen(64)
    Path(f"{path}.new").rename(path)  # who sees it finds it listening
    forks: dict[socket.socket, int] = {}
    selector = selectors.DefaultSelector()
    selector.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in selector.select():
            connection: Any = key.fileobj
            if connection is listener:
                selector.register(listener.accept()[0], selectors.EVENT_READ)
            elif connection in forks:
                if not answer(connection, forks[connection]):
                    selector.unregister(connection)
                    connection.close()
                    del forks[connection]
            else:
                order = receive(connection)
                leads, told = os.pipe()
                pid = os.fork()
                if pid == 0:
                    os.setsid()  # before anybody learns its id: it leads a session, as a process that was started does
                    os.write(told, b".")
                    return order
                os.close(told)
                os.read(leads, 1)
                os.close(leads)
                forks[connection] = pid
                for descriptor in order.output:
                    os.close(descriptor)
                connection.send(str(pid).encode())


def receive(connection: socket.socket) -> Order:
    """Read what to run; the descriptors come with the first message, the rest in the second, as it may be long."""
    _, descriptors, _, _ = socket.recv_fds(connection, 1, 2)
    told = json.loads(connection.recv(LARGEST))
    return Order(**told, output=(descriptors[0], descriptors[1]))


def answer(connection: socket.socket, pid: int) -> bool:
    """Say how the fork ended, if it has; return whether there is more to be asked, and somebody who may."""
    asked = connection.recv(1)
    ended, status = os.waitpid(pid, os.WNOHANG)
    if asked:
        connection.send(json.dumps(os.waitstatus_to_exitcode(status) if ended else None).encode())
    return bool(asked) and not ended


def become(order: Order, maker: int) -> NoReturn:
    """Be a process of its own, as after an exec, and run the command."""
    die_with(maker)
    os.chdir(order.cwd)
    os.environ.clear()
    os.environ.update(order.env)
    null = os.open(os.devnull, os.O_RDONLY)
    for target, source in enumerate((null, *order.output)):
        os.dup2(source, target)
    os.closerange(3, DESCRIPTORS)
    if VARIABLE in os.environ:
        importlib.reload(importlib.import_module("gristmill.shared.base.crashpoints"))  # it reads this when imported
    sys.argv[:] = ["gristmill", *order.arguments]
    end(run())


def run() -> int:
    """Run the command and return its exit code, as the interpreter finds it."""
    from gristmill.cli import main as command

    try:
        command()
    except SystemExit as ended:
        return ended.code if isinstance(ended.code, int) else int(ended.code is not None)
    except BaseException:  # noqa: BLE001  as the interpreter does with whatever nobody caught
        sys.excepthook(*sys.exc_info())
        return 1


def end(code: int) -> NoReturn:
    """End as the interpreter does, but leave the memory alone: to tear all modules down takes longer than a command."""
    threading._shutdown()  # type: ignore[attr-defined]  # waits for threads that are no daemons
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


if __name__ == "__main__":
    main()
