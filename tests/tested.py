"""Write the result of a whole run of tests into docs/tested.md: one row for each commit and tier."""

import os
import platform
import re
import subprocess
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import psutil
import pytest

from gristmill import process
from gristmill.services.rabbitmq import find_rabbitmq

ROOT: Final = Path(__file__).parents[1]
PAGE: Final = ROOT / "docs/tested.md"
TIERS: Final = {"long": "test-long", "not long": "test"}  # by the expression of marks that make passes
HEADER: Final = "| date | commit |"  # of the table that the rows stand in, the newest first
OUTCOMES: Final = ("passed", "failed", "error", "skipped")


class Tested:
    """Notes how a run of a whole tier ended.

    Args:
        tier: The target of make that ran: `test` or `test-long`.
        page: Where the table is.
    """

    def __init__(self, tier: str, page: Path = PAGE) -> None:
        self._page = page
        self._tier = tier
        self._began = time.monotonic()

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter, exitstatus: int) -> None:
        """Write the row; a run that was interrupted is no result."""
        if exitstatus not in (pytest.ExitCode.OK, pytest.ExitCode.TESTS_FAILED):
            return
        counts = {name: len(terminalreporter.stats.get(name, [])) for name in OUTCOMES}
        told = ", ".join(f"{number} {name}" for name, number in counts.items() if number)
        cells = [
            f"{datetime.now(UTC):%Y-%m-%d}",
            commit(),
            f"`make {self._tier}`",
            told,
            duration(time.monotonic() - self._began),
            machine(),
            f"{platform.python_version()}, RabbitMQ {rabbitmq_version()}",
        ]
        self._page.write_text(with_row(self._page.read_text(), cells))
        terminalreporter.write_line(f"noted in {self._page}")


def tier_of(config: pytest.Config) -> str | None:
    """Return which target runs; None for a run of chosen tests, which is no result of a tier."""
    if config.args_source is not pytest.Config.ArgsSource.TESTPATHS or config.option.keyword:
        return None
    return TIERS.get(config.option.markexpr)


def with_row(page: str, cells: list[str]) -> str:
    """Return the page with this row on top of its table, instead of a former one of the same commit and tier."""
    row = f"| {' | '.join(cells)} |"
    lines = page.splitlines()
    at = next(number for number, line in enumerate(lines) if line.startswith(HEADER)) + 2
    rest = [line for line in lines[at:] if [cell.strip() for cell in line.split("|")[2:4]] != cells[1:3]]
    return "\n".join([*lines[:at], row, *rest]) + "\n"


def duration(seconds: float) -> str:
    """Return minutes and seconds, as in `8 min 05 s`."""
    return f"{int(seconds) // 60} min {int(seconds) % 60:02} s"


def commit() -> str:
    """Return the short hash of what ran, and `+` when the working tree held changes besides the page."""
    head = process.output_of(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"])
    changed = process.output_of(["git", "-C", ROOT, "status", "--porcelain", "--", ".", ":!docs/tested.md"])
    return f"{head}+" if changed else head


def machine() -> str:
    """Return processors and memory, as in `2 CPUs, 8 GB`."""
    return f"{os.cpu_count()} CPUs, {round(psutil.virtual_memory().total / 2**30)} GB"


def rabbitmq_version() -> str:
    """Return the installed version, `none` where there is no RabbitMQ."""
    server = find_rabbitmq()
    if server is None:
        return "none"
    try:
        told = subprocess.run(
            [server.with_name("rabbitmqctl"), "version"], capture_output=True, text=True, timeout=60, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return "of an unknown version"
    found = re.search(r"\d+\.\d+\.\d+", told.stdout)
    return found[0] if found else "of an unknown version"
