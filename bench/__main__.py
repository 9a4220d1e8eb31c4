"""`python -m bench`: run the parts that are asked for, and print one table."""

from __future__ import annotations

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Final

from bench.parts import PARTS
from bench.profiles import Profiler
from bench.report import Report, sync_time
from bench.run import Run, Sizes
from bench.stack import Stack, broker_or_valkey, say
from gristmill.process import ServiceFailedError

WHOLE: Final = Sizes(
    seconds=10,
    connections=32,
    backlog=10_000,
    alone=3_000,
    singles=300,
    pause=0.03,
    outage=200,
    comes_back=True,
    kills=5,
    marathon=1_000_000,
)
QUICK: Final = Sizes(
    seconds=1.5,
    connections=32,
    backlog=2_000,
    alone=500,
    singles=60,
    pause=0.02,
    outage=40,
    comes_back=False,
    kills=1,
    marathon=20_000,
)


def main() -> int:
    """Measure, print the table, and return 0; 1 when something did not work (never for a missed aim)."""
    options = _read_options()
    broker, remark = broker_or_valkey(options.broker)
    sizes = _sizes(options)
    report = Report(broker=broker, sync_ms=sync_time())
    report.remarks += [remark] if remark else []
    report.remarks += ["py-spy was running: read no rates from this run"] if options.profile else []
    say(f"Starting Postgres, Valkey{' and RabbitMQ' if broker == 'rabbitmq' else ''} in a temporary folder …")
    began = time.perf_counter()
    try:
        with Stack(broker) as stack:
            profiler = Profiler(stack, options.profile)
            run = Run(stack=stack, report=report, sizes=sizes, profiler=profiler)
            for name in [name for name in PARTS if name in options.parts or not options.parts]:
                report.look_at_load(name)
                part = PARTS[name]
                say(f"[{time.perf_counter() - began:3.0f} s] {name}: {(part.__doc__ or '').splitlines()[0]}")
                part(run)
    except ServiceFailedError as error:
        say(f"Error: {error}")
        return 1
    except KeyboardInterrupt:
        say("Interrupted; everything was stopped.")
        return 130
    say(f"[{time.perf_counter() - began:3.0f} s] done, everything is stopped\n")
    print(report.table())
    if options.json is not None:
        report.write(options.json)
        say(f"\nWritten to {options.json}")
    return 0


def _read_options() -> argparse.Namespace:
    listed = "\n".join(f"  {name:<9} {(part.__doc__ or '').splitlines()[0]}" for name, part in PARTS.items())
    parser = argparse.ArgumentParser(
        prog="python -m bench",
        description="Measure the platform: private servers, real processes, loopback only; some twelve minutes.",
        epilog=f"parts, in their order (all when none is named):\n{listed}\n\n"
        "settings in the environment reach the processes, for trying one out: GRISTMILL_WEB_WORKERS=2 make bench",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("parts", nargs="*", metavar="PART", help="what to measure")
    parser.add_argument("--quick", action="store_true", help="a minute and a half; rougher figures")
    parser.add_argument("--broker", choices=["rabbitmq", "valkey"], default="rabbitmq", help="default: %(default)s")
    parser.add_argument("--seconds", type=float, help=f"of each load (default: {WHOLE.seconds:g})")
    parser.add_argument("--connections", type=int, help=f"kept open by the client (default: {WHOLE.connections})")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--profile", type=Path, metavar="FOLDER", help="record stacks with py-spy into this folder")
    options = parser.parse_args()
    unknown = sorted(set(options.parts) - PARTS.keys())
    if unknown:
        parser.error(f"no such part: {', '.join(unknown)}; there are {', '.join(PARTS)}")
    for name, value, most in (("--seconds", options.seconds, 120), ("--connections", options.connections, 1000)):
        if value is not None and not 1 <= value <= most:
            parser.error(f"{name} must lie between 1 and {most}")
    if options.profile is not None:
        options.profile.mkdir(parents=True, exist_ok=True)
    return options


def _sizes(options: argparse.Namespace) -> Sizes:
    sizes = QUICK if options.quick else WHOLE
    if options.seconds is not None:
        sizes = replace(sizes, seconds=options.seconds)
    if options.connections is not None:
        sizes = replace(sizes, connections=options.connections)
    return sizes


if __name__ == "__main__":
    sys.exit(main())
