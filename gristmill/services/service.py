"""Base class of the private servers: a folder, a process, a log, a password; start, stop, kill, pause."""

import contextlib
import signal
from abc import ABC, abstractmethod
from pathlib import Path
from typing import ClassVar, Self

import psutil

from gristmill import process
from gristmill.process import Process, ServiceFailedError
from gristmill.services.secret import kept_secret, private_folder


class Service(ABC):
    """A private server that dies with this process, however that ends.

    Args:
        data_dir: Its folder, created with mode 0700 when it starts.
    """

    name: ClassVar[str]

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir.absolute()
        self.process: Process | None = None

    def __repr__(self) -> str:
        return f"{type(self).__name__}(data_dir={str(self.data_dir)!r})"

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    @abstractmethod
    def start(self, deadline_seconds: float = 60.0) -> None:
        """Start it and return when it answers.

        Raises:
            ServiceFailedError: it was not found, or did not start in time; the message gives the cure.
            PortInUseError: a port is taken; the message names the holder.
        """

    @abstractmethod
    def stop(self, deadline_seconds: float = 10.0) -> None:
        """Stop it in order, by force after the deadline; harmless if it does not run."""

    @property
    def log(self) -> Path:
        """File of its output."""
        return self.data_dir / f"{self.name}.log"

    def is_running(self) -> bool:
        """Return true if it was started and has not ended since."""
        return self.process is not None and self.process.poll() is None

    def kill(self) -> None:
        """Kill it as a crash would; `start()` brings it back on the same ports with its durable data."""
        process.stop(self._running(), signal.SIGKILL)

    def pause(self) -> None:
        """Suspend it without ending it: connections stay open, and once this returns nothing is answered.

        Raises:
            ServiceFailedError: it was not suspended in time.
        """
        process.wait_until_stopped(self._signal_all(signal.SIGSTOP))

    def resume(self) -> None:
        """Resume it after a pause; harmless without one."""
        self._signal_all(signal.SIGCONT)

    def _signal_all(self, sig: signal.Signals) -> list[psutil.Process]:
        everybody = process.family(self._running().pid)
        for each in everybody:
            with contextlib.suppress(psutil.NoSuchProcess):
                each.send_signal(sig)
        return everybody

    def _running(self) -> Process:
        if self.process is None or self.process.poll() is not None:
            raise ServiceFailedError(f"{self.name} does not run: start() it first")
        return self.process

    def _password(self) -> str:
        return kept_secret(private_folder(self.data_dir) / "password")
