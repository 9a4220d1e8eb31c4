"""`python -m bench.ingress`: run the comparisons that are asked for, and print one table."""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from typing import Final

from bench.ingress.parts import FEW, PARTS, Bench, Options
from bench.ingress.servers import Servers
from bench.report import Report, sync_time
from bench.stack import Stack, broker_or_valkey, say
from gristmill.process import ServiceFailedError

ROWS: Final = 200_000  # enough to see a scan; the aim itself is for ten million


def main() -> int:
    """Measure, print the table, and return 0; 1 when something did not work (never for a missed aim)."""
    chosen = _read_options()
    broker, remark = broker_or_valkey("rabbitmq")
    report = Report(broker=broker, sync_ms=sync_time())
    report.remarks += [remark, "so the baseline has no confirms, and is faster than it should be"] if remark else []
    options = Options(
        rounds=chosen.rounds,
        seconds=chosen.seconds,
        connections=chosen.connections,
        rows=chosen.rows,
        baseline_processes=chosen.baseline_processes,
        baseline_threads=chosen.baseline_threads,
    )
    say("Starting the servers in a temporary folder …")
    began = time.perf_counter()
    try:
        with Stack(broker) as stack, Servers(stack) as servers:
            bench = Bench(stack=stack, servers=servers, report=report, options=options)
            for name in [name for name in PARTS if name in chosen.parts or not chosen.parts]:
                report.look_at_load(name)
                say(f"[{time.perf_counter() - began:3.0f} s] {name}: {(PARTS[name].__doc__ or '').splitlines()[0]}")
                PARTS[name](bench)
    except ServiceFailedError as error:
        say(f"Error: {error}")
        return 1
    except KeyboardInterrupt:
        say("Interrupted; everything was stopped.")
        return 130
    say(f"[{time.perf_counter() - began:3.0f} s] done, everything is stopped\n")
    print(report.table())
    if chosen.json is not None:
        report.write(chosen.json)
    return 0


def _read_options() -> argparse.Namespace:
    listed = "\n".join(f"  {name:<9} {(part.__doc__ or '').splitlines()[0]}" for name, part in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench.ingress",
        description="Compare the ingress with what most would build: real servers, loopback only, in rounds.",
        epilog=f"parts, in their order (all when none is named):\n{listed}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", choices=[*PARTS, []], metavar="PART", help="what to compare")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--seconds", type=float, default=4.0, help="of each load in a round (default: %(default)s)")
    parser.add_argument("--connections", type=int, default=32, help="kept open by the client (default: %(default)s)")
    parser.add_argument(
        "--rows", type=int, default=ROWS, help=f"of the large table (default: %(default)s; the small one has {FEW:,})"
    )
    parser.add_argument("--baseline-processes", type=int, default=1, help="of gunicorn (default: %(default)s)")
    parser.add_argument("--baseline-threads", type=int, default=32, help="in each of them (default: %(default)s)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()
    for name, most in (("rounds", 100), ("connections", 1000), ("rows", 20_000_000), ("baseline_processes", 16)):
        if not 1 <= getattr(options, name) <= most:
            parser.error(f"--{name.replace('_', '-')} must lie between 1 and {most}")
    return options


if __name__ == "__main__":
    sys.exit(main())
