"""py-spy beside a part, on request: where the processor time of one process goes."""

from __future__ import annotations

import contextlib
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

if TYPE_CHECKING:
    from bench.stack import Stack

_RATE: Final = 100  # samples a second


class Profiler:
    """Records stacks into a folder; without a folder it does nothing. It takes processor time: read no rates then."""

    def __init__(self, stack: Stack, folder: Path | None) -> None:
        self._stack = stack
        self._folder = folder

    @contextlib.contextmanager
    def record(self, name: str, label: str) -> Iterator[None]:
        """Record the process `name` with its children meanwhile, as collapsed stacks in `<name>-<label>.txt`."""
        if self._folder is None:
            yield
            return
        file = self._folder / f"{name}-{label.replace(' ', '-').replace(',', '')}.txt"
        command: list[str | Path] = [Path(sys.executable).with_name("py-spy"), "record", "--subprocesses"]
        if name == "web":
            command.append("--gil")  # its threads wait most of the time: only who holds the interpreter tells something
        pid = self._stack.pids()[name]
        recorder = subprocess.Popen(
            [*command, "-r", str(_RATE), "-d", "600", "-f", "raw", "-o", file, "--pid", str(pid)],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        try:
            yield
        finally:
            with contextlib.suppress(psutil.NoSuchProcess):
                psutil.Process(recorder.pid).send_signal(2)  # it writes its file on SIGINT
            try:
                recorder.wait(timeout=20)
            except subprocess.TimeoutExpired:
                recorder.kill()
                recorder.wait()
