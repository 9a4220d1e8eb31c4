"""Handle the signals that end `up`: the first one stops it in order, a second Ctrl-C kills everything."""

import os
import select
import signal
from collections.abc import Callable
from typing import Final

_ASKING: Final = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
KILLED: Final = 130  # the exit code after a second Ctrl-C


class StopRequestedError(Exception):
    """A signal asked for the end while the platform was starting."""


class StopSignals:
    """Handles SIGINT, SIGTERM and SIGHUP. Create it in the main thread.

    Args:
        kill: Kills everything; the process exits right after it.
    """

    def __init__(self, kill: Callable[[], None]) -> None:
        # A flag and a pipe: the lock of a threading.Event may be held by the very code that a handler interrupts.
        self._asked = False
        self._heard, self._tell = os.pipe2(os.O_CLOEXEC | os.O_NONBLOCK)
        self._kill = kill
        for each in _ASKING:
            if signal.getsignal(each) is not signal.SIG_IGN or each == signal.SIGINT:  # nohup ignores SIGHUP on purpose
                signal.signal(each, self._hear)

    def wait(self, seconds: float) -> bool:
        """Wait for the first signal; return true if it has come."""
        if not self._asked:
            select.select([self._heard], [], [], seconds)
        return self._asked

    def check(self) -> None:
        """Return if no signal has come.

        Raises:
            StopRequestedError: one has.
        """
        if self._asked:
            raise StopRequestedError

    def _hear(self, number: int, _frame: object) -> None:
        if self._asked and number == signal.SIGINT:
            self._kill()
            os._exit(KILLED)
        self._asked = True
        os.write(self._tell, b"!")
