"""Several relays on one outbox: what they take a second side by side, with a broker that is played by a pause."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path
from typing import TYPE_CHECKING, Final

from bench.growth.operations import accepted
from bench.stack import say
from gristmill.children import python_module, search_path
from gristmill.process import ServiceFailedError

if TYPE_CHECKING:
    from bench.growth.database import BenchDatabases
    from bench.report import Report

LIMIT: Final = 500  # hints of one transaction, as relays take them
PAUSE: Final = 0.04  # seconds for the confirms of 500: 80 microseconds each, as a quorum queue was measured
MOST: Final = 3
_NAME: Final = "relays"
_ROOT: Final = Path(__file__).parents[2]


def measure_relays(server: BenchDatabases, report: Report, *, hints: int) -> None:
    """Empty a deep outbox by one, two and three relays; each hint has to be taken once."""
    database = server.make_database(_NAME)
    alone = 0.0
    for pause in (PAUSE, 0.0):
        for number in range(1, MOST + 1):
            say(f"  {number} relays, {pause * 1000:.0f} ms for the confirms of {LIMIT}")
            for _ in range(0, hints, LIMIT):
                accepted(database, LIMIT)
            rate, taken = _empty(server.url_of(_NAME), number, pause)
            if taken != hints:
                raise ServiceFailedError(f"{taken} hints were taken of {hints}")
            alone = rate if number == 1 else alone
            played = "a broker that takes its time" if pause else "a broker that answers at once"
            note = f"{rate / alone:.2f} times one, {played}"
            report.add("relays", f"hints a second taken by {number}", rate, "/s", note)


def _empty(url: str, number: int, pause: float) -> tuple[float, int]:
    environment = {**os.environ, **search_path(_ROOT), "GRISTMILL_DATABASE_URL": url}
    command = python_module("bench.growth.one_relay", str(pause), str(LIMIT))
    running = [
        subprocess.Popen(command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(number)
    ]
    for each in running:  # they have connected: go
        assert each.stdout is not None  # noqa: S101  a pipe
        each.stdout.readline()
    began = time.perf_counter()
    for each in running:
        assert each.stdin is not None  # noqa: S101  a pipe
        each.stdin.write("\n")
        each.stdin.flush()
    counts = [int(each.communicate(timeout=300)[0]) for each in running]
    return sum(counts) / (time.perf_counter() - began), sum(counts)
