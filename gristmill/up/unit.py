"""Units of the supervisor: our own processes and the embedded servers, behind one interface."""

import itertools
import os
import re
import signal
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final, Protocol

from gristmill import process
from gristmill.process import Process
from gristmill.services.service import Service
from gristmill.up.log_file import LogFile

ReportLine = Callable[[str, str], None]  # takes the name of a unit, and a line about it

READY_FILE: Final = "GRISTMILL_READY_FILE"  # names the file that a process touches when it is ready
_LONGEST_LINE: Final = 64 * 1024  # bytes; what is longer is read in pieces
_numbers: Final = (
    itertools.count()
)  # one of a name may run while its successor starts: each has a ready file of its own
_ALARMING: Final = re.compile(rb'\[(?:warning|error|critical) *\]|"level": "(?:warning|error|critical)"')


class Unit(Protocol):
    """One thing that runs."""

    name: str
    log: Path

    def start(self) -> None:
        """Start it. Returns when a server can be used; immediately for our own processes."""

    def is_running(self) -> bool:
        """Return true if it was started and has not ended since."""

    def stop(self, deadline_seconds: float) -> None:
        """Stop it in order, by force after the deadline."""

    def kill(self) -> None:
        """Kill it immediately."""

    def ended_with(self) -> str:
        """Return in words how it ended."""


class ServiceUnit:
    """An embedded server, as the supervisor sees it."""

    def __init__(self, service: Service, *, start_seconds: float = 60.0) -> None:
        self.service = service
        self.name = service.name
        self.log = service.log
        self._start_seconds = start_seconds

    def start(self) -> None:
        self.service.start(self._start_seconds)

    def is_running(self) -> bool:
        return self.service.is_running()

    def stop(self, deadline_seconds: float) -> None:
        self.service.stop(deadline_seconds)

    def kill(self) -> None:
        kill_group(self.service.process)

    def ended_with(self) -> str:
        return describe_end(self.service.process)


class Program:
    """One of our own processes. Its output goes to a bounded log file, its warnings to `report` as well.

    Args:
        name: Its name, and that of its log file.
        command: The program and its arguments.
        env: Its whole environment.
        logs: The folder of its log file.
        report: Called with its name and each line that is a warning or worse.
    """

    def __init__(
        self, name: str, command: Sequence[str | Path], *, env: Mapping[str, str], logs: Path, report: ReportLine
    ) -> None:
        self.name = name
        self.log = logs / f"{name}.log"
        self._command = command
        self._ready_file = logs / f".{name}.{next(_numbers)}.ready"
        self._env = {**env, READY_FILE: str(self._ready_file)}
        self._report = report
        self._process: Process | None = None
        self._reader: threading.Thread | None = None

    @property
    def pid(self) -> int | None:
        """The pid of its process, also after its end."""
        return self._process.pid if self._process else None

    def start(self) -> None:
        self._ready_file.unlink(missing_ok=True)
        self._process = process.spawn(self._command, env=self._env)
        pipe, self._process.stdout = self._process.stdout, None  # the reader closes it: it may be reading
        assert pipe is not None  # noqa: S101  spawn without a log gives a pipe
        self._reader = threading.Thread(target=self._read, args=(pipe,), name=f"log-{self.name}", daemon=True)
        self._reader.start()

    def is_running(self) -> bool:
        return self._process is not None and self._process.poll() is None

    def is_ready(self) -> bool:
        """Return true if it has reported that it is ready since it was started."""
        return self._ready_file.exists()

    def drain(self) -> None:
        """Ask it to finish what it does and to end; it may take its time."""
        if self._process is not None and self.is_running():
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, signal.SIGTERM)
                os.kill(self._process.pid, signal.SIGCONT)  # a suspended process handles no signal

    def stop(self, deadline_seconds: float) -> None:
        if self._process is None:
            return
        process.stop(self._process, signal.SIGTERM, deadline_seconds)
        self._ready_file.unlink(missing_ok=True)
        if self._reader is not None:
            self._reader.join(timeout=1)  # so that its last lines are in the log before its end is reported

    def kill(self) -> None:
        kill_group(self._process)

    def ended_with(self) -> str:
        return describe_end(self._process)

    def _read(self, pipe: BinaryIO) -> None:
        """Copy lines from the pipe to the log until the process and its children are gone."""
        log = LogFile(self.log)
        with pipe:
            while line := pipe.readline(_LONGEST_LINE):
                log.write(line)
                if _ALARMING.search(line):
                    self._report(self.name, line.decode(errors="replace").rstrip())
        log.close()


def kill_group(running: Process | None) -> None:
    """Kill a process that `spawn` started, with its children."""
    if running is not None and running.returncode is None:
        with suppress(ProcessLookupError, PermissionError):
            os.killpg(running.pid, signal.SIGKILL)


def describe_end(ended: Process | None) -> str:
    """Return in words how a process ended."""
    code = ended.returncode if ended is not None else None
    if code is None:
        return "has not ended"
    if code >= 0:
        return f"ended with exit code {code}"
    with suppress(ValueError):
        return f"was ended by {signal.Signals(-code).name}"
    return f"was ended by signal {-code}"
