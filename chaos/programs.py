"""The platform's processes, each started again a moment after it ended, as a supervisor would."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

import psutil

from gristmill import process
from gristmill.children import gristmill_command
from gristmill.process import Process
from gristmill.up.unit import describe_end

COMMANDS: Final[dict[str, list[str]]] = {
    "web": ["web"],
    "relay-1": ["relay"],
    "relay-2": ["relay"],
    "worker-data-1": ["worker", "--queue", "data_processing_queue", "--concurrency", "2"],
    "worker-data-2": ["worker", "--queue", "data_processing_queue", "--concurrency", "2"],
    "worker-user": ["worker", "--queue", "user_queue", "--concurrency", "1"],
    "worker-email": ["worker", "--queue", "email_queue", "--concurrency", "2"],
    "beat-1": ["beat"],
    "beat-2": ["beat"],
    "maintenance-1": ["maintenance"],
    "maintenance-2": ["maintenance"],
}
PAUSE: Final = 0.2  # seconds between an end and the next start
LOOK: Final = 0.05  # seconds between two looks
STOP_SECONDS: Final = 5.0
EXPECTED_FOR: Final = 40.0  # seconds after a SIGTERM in which an end was asked for


class Programs:
    """Starts the processes and watches them.

    Args:
        folder: for their logs; it is their working folder, too, so that no `.env` of anybody is read.
        env: their environment.
    """

    def __init__(self, folder: Path, env: Mapping[str, str]) -> None:
        self._folder, self._env = folder, env
        self._running: dict[str, Process] = {}
        self._hit: dict[str, float] = {}
        self._ending = threading.Event()
        self._watcher = threading.Thread(target=self._restart_what_ended, name="programs", daemon=True)
        self.restarts: Counter[str] = Counter()
        self.own_ends: list[str] = []  # ends that the nemesis did not cause

    def start(self) -> None:
        """Start all, and begin to watch them."""
        self._folder.mkdir(exist_ok=True)
        for name in COMMANDS:
            self._start(name)
        self._watcher.start()

    def stop(self) -> None:
        """Watch no longer, and end all."""
        self._ending.set()
        if self._watcher.is_alive():
            self._watcher.join()
        for each in list(self._running.values()):
            with suppress(psutil.Error):
                for one in family(each.pid):
                    one.resume()
        with ThreadPoolExecutor(len(COMMANDS)) as pool:
            list(pool.map(lambda each: process.stop(each, deadline_seconds=STOP_SECONDS), self._running.values()))

    def names(self, beginning: str = "") -> list[str]:
        """Return the names that begin so."""
        return [name for name in COMMANDS if name.startswith(beginning)]

    def family(self, name: str) -> list[psutil.Process]:
        """Return the leading process of `name` and its descendants.

        Raises:
            psutil.NoSuchProcess: it has just ended.
        """
        return family(self._running[name].pid)

    def signal(self, name: str, number: signal.Signals) -> None:
        """Send a signal that ends a process; its end is put down to the nemesis."""
        self._hit[name] = time.monotonic()
        self.family(name)[0].send_signal(number)

    def _start(self, name: str) -> None:
        self._hit.pop(name, None)
        log = self._folder / f"{name}.log"
        self._running[name] = process.spawn(
            gristmill_command(*COMMANDS[name]), env=self._env, log=log, cwd=self._folder
        )

    def _restart_what_ended(self) -> None:
        ended_at: dict[str, float] = {}
        while not self._ending.wait(LOOK):
            for name, each in self._running.items():
                if each.poll() is None:
                    continue
                if name not in ended_at:
                    ended_at[name] = time.monotonic()
                    if time.monotonic() - self._hit.get(name, -EXPECTED_FOR) > EXPECTED_FOR:
                        self.own_ends.append(f"{name} {describe_end(each)}")
                elif time.monotonic() - ended_at[name] >= PAUSE:
                    del ended_at[name]
                    self.restarts[name] += 1
                    self._start(name)


def family(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants, itself first.

    Raises:
        psutil.NoSuchProcess: it has ended.
    """
    leader = psutil.Process(pid)
    return [leader, *leader.children(recursive=True)]
