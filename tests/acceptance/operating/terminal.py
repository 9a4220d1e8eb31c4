"""A terminal of a chosen size in which `gristmill …` runs, with a person who types."""

import fcntl
import os
import pty
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

SECONDS = 90.0
# The terminal is made that of its session, so that Ctrl-C reaches it.
_PROGRAM = """
import fcntl, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
from gristmill.cli import main
main()
"""


@dataclass
class Screen:
    """A terminal while the command runs in it."""

    process: subprocess.Popen[bytes]
    descriptor: int
    shown: str = ""

    def wait_for(self, text: str, *, times: int = 1) -> None:
        """Read on until the terminal has shown a text, so many times.

        Raises:
            AssertionError: it was not shown in time, or the command ended before.
        """
        ends_at = time.monotonic() + SECONDS
        while self.shown.count(text) < times:
            assert time.monotonic() < ends_at, f"{text!r} was not shown {times} times:\n{self.shown}"
            assert self._read(), f"the command ended before {text!r} was shown {times} times:\n{self.shown}"

    def type(self, keys: str) -> None:
        os.write(self.descriptor, keys.encode())

    def end(self) -> int:
        """Read to the end, and return the exit code."""
        ends_at = time.monotonic() + SECONDS
        while self._read():
            assert time.monotonic() < ends_at, f"the command did not end:\n{self.shown}"
        code = self.process.wait(SECONDS)
        os.close(self.descriptor)
        return code

    def _read(self) -> bool:
        ready, _, _ = select.select([self.descriptor], [], [], 1.0)
        if not ready:
            return True
        try:
            data = os.read(self.descriptor, 65_536)
        except OSError:  # Linux: the other side is closed
            return False
        self.shown += data.decode(errors="replace")
        return bool(data)


def open_screen(
    *arguments: str, env: Mapping[str, str], folder: Path, columns: int = 80, lines: int = 24, **more: str
) -> Screen:
    """Run `gristmill …` in a terminal of this size."""
    near, far = pty.openpty()
    fcntl.ioctl(far, termios.TIOCSWINSZ, struct.pack("HHHH", lines, columns, 0, 0))
    started = subprocess.Popen(
        [sys.executable, "-P", "-c", _PROGRAM, *arguments],
        stdin=far,
        stdout=far,
        stderr=far,
        cwd=folder,
        env={**env, "TERM": "xterm", **more},
        start_new_session=True,
    )
    os.close(far)
    return Screen(started, near)
