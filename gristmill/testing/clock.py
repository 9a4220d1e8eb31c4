"""The clock of a test: that of its database, and that of Python, moved together."""

from __future__ import annotations

import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

from gristmill.shared.database.clock import read_clock
from gristmill.testing.mill_error import MillError
from gristmill.testing.queries_clock import move_clock, read_distance

if TYPE_CHECKING:
    from gristmill.shared.database.connect import Database


class Clock:
    """Moves the time of one test; between two moves it passes as it does outside."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._travel: Any = None  # of time_machine, from the first move on
        self._python: Any = None

    def now(self) -> datetime:
        """Return the time of the database, in UTC."""
        with self._database.transaction() as session:
            return read_clock(session)

    def move(self, by: timedelta) -> None:
        """Move both clocks.

        Raises:
            MillError: backwards, or Python's clock cannot be moved because time-machine is not installed.
        """
        if by < timedelta(0):
            msg = f"Time does not go back: {by} is negative, and what has happened since would be in the future"
            raise MillError(msg)
        self._move_python(by)
        with self._database.transaction() as session:
            move_clock(session, by)

    def move_to(self, at: datetime) -> None:
        """Move both clocks to a time; nothing when it is past."""
        with self._database.transaction() as session:
            distance = read_distance(session, at)
        if distance > timedelta(0):
            self.move(distance)

    def stop(self) -> None:
        """Give Python its own time back."""
        if self._travel is not None:
            self._travel.stop()
            self._travel = self._python = None

    def _move_python(self, by: timedelta) -> None:
        """Move the clock of this process: code compares `datetime.now()` with times of the database."""
        if self._python is not None:
            self._python.shift(by)
            return
        try:
            import time_machine
        except ModuleNotFoundError:
            msg = "Time moves by the package time-machine, which is missing: pip install 'gristmill[embedded]'"
            raise MillError(msg) from None
        began = time.monotonic()
        self._travel = time_machine.travel(datetime.now(UTC) + by, tick=True)
        self._python = self._travel.start()
        self._python.shift(time.monotonic() - began)  # what that took: Python is not to lag behind the database
