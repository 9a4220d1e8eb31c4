"""`python -m bench.growth`: measure with few and with many jobs in the tables, and print one table."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from bench.growth.bloat import measure_bloat
from bench.growth.database import BenchDatabases
from bench.growth.partitions import MOST, measure_partitions
from bench.growth.relays import measure_relays
from bench.growth.tables import measure_tables
from bench.report import Report, sync_time
from bench.stack import say
from gristmill.process import ServiceFailedError

PARTS: Final = {
    "tables": "each operation at each size: time and pages",
    "bloat": "jobs run through the tables, and the room that remains",
    "partitions": "the table of jobs in one piece and in many",
    "relays": "one, two and three relays on one outbox",
}
SIZES: Final = [10_000, 1_000_000]
# Writing millions of rows is not what is measured; a sync takes the same in each table, and hides the rest.
_UNSYNCED: Final = {"max_wal_size": "8GB", "synchronous_commit": "off", "shared_buffers": "256MB"}


def main() -> int:
    """Measure, print the table, and return 0; 1 when something did not work (never for a missed aim)."""
    options = _read_options()
    report = Report(broker="none", sync_ms=sync_time())
    report.remarks += ["tables: commits do not wait for the disk; ratios are the median over the rounds"]
    parts: dict[str, Callable[[], None]] = {
        "tables": lambda: _with_databases(
            _UNSYNCED, lambda server: measure_tables(server, report, sizes=options.rows, rounds=options.rounds)
        ),
        "bloat": lambda: _with_databases({}, lambda server: measure_bloat(server, report, jobs=options.jobs)),
        "partitions": lambda: _with_databases(
            _UNSYNCED,
            lambda server: measure_partitions(server, report, rows=min(MOST, options.rows[-1]), rounds=options.rounds),
        ),
        "relays": lambda: _with_databases({}, lambda server: measure_relays(server, report, hints=options.hints)),
    }
    began = time.perf_counter()
    try:
        for name in [name for name in PARTS if name in options.parts or not options.parts]:
            report.look_at_load(name)
            say(f"[{time.perf_counter() - began:3.0f} s] {name}: {PARTS[name]}")
            parts[name]()
    except ServiceFailedError as error:
        say(f"Error: {error}")
        return 1
    except KeyboardInterrupt:
        say("Interrupted; everything was stopped.")
        return 130
    print(report.table())
    if options.json is not None:
        report.write(options.json)
    return 0


def _with_databases(settings: dict[str, str], measure: Callable[[BenchDatabases], None]) -> None:
    with BenchDatabases(settings) as server:
        measure(server)


def _read_options() -> argparse.Namespace:
    listed = "\n".join(f"  {name:<10} {text}" for name, text in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench.growth",
        description="Measure how costs grow with the tables: a private Postgres, the product's own functions.",
        epilog=f"parts, in their order (all when none is named):\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART", help="what to measure")
    parser.add_argument(
        "--rows", type=int, nargs="+", default=SIZES, metavar="N", help="jobs of each table, the smallest first"
    )
    parser.add_argument("--rounds", type=int, default=10, help="of all operations (default: %(default)s)")
    parser.add_argument("--jobs", type=int, default=200_000, help="of the part bloat (default: %(default)s)")
    parser.add_argument("--hints", type=int, default=20_000, help="of the part relays (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()
    if min(options.rows) < 1_000 or max(options.rows) > 20_000_000:  # with fewer, nothing is rare
        parser.error("--rows must lie between 1,000 and 20,000,000")
    if options.hints % 500:
        parser.error("--hints must be a multiple of 500, which a relay takes at once")
    return options


if __name__ == "__main__":
    sys.exit(main())
