"""`python -m bench.imports`: what the public names add to the import of SQLAlchemy and marshmallow, in processor time.

Every figure is of a process of its own that has imported nothing else. The processes run in turns, so that a busy
machine slows all of them; a ratio is of two imports in one process, and its median over the rounds is told.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Final

from bench.report import Report

AIM: Final = 0.3  # of the import of SQLAlchemy and marshmallow
FEW: Final = "from gristmill import Context, RetryPolicy, enqueue, task"
MORE: Final = f"{FEW}, Cancel, Discard, PermanentError, Plugin, Queue, Schedule, Snooze, TransientError"
TASK: Final = """
from datetime import timedelta
from gristmill import Context, RetryPolicy, enqueue, task
from marshmallow import Schema, fields

class Args(Schema):
    to = fields.Email(required=True)

@task(name="shop.send", queue="email_queue", args=Args, retry=RetryPolicy(max_attempts=3))
def send(ctx: Context, *, to: str) -> None:
    "Send."
"""
# What an application has imported already.
BEFORE: Final = {
    "SQLAlchemy and marshmallow": "import sqlalchemy, sqlalchemy.orm, marshmallow",
    "SQLAlchemy, psycopg2 and marshmallow": (
        "import sqlalchemy, sqlalchemy.orm, marshmallow, sqlalchemy.dialects.postgresql.psycopg2, psycopg2"
    ),
}
ADDED: Final = {
    "enqueue, task and two more": FEW,
    "the same, and a task declared": TASK,
    "all names but the client": MORE,
}
_LOADED: Final = "from gristmill.shared.plugins.load import load_plugins; load_plugins(); "
PROCESSES: Final = {
    "enqueue": "from gristmill import enqueue",
    "relay": f"{_LOADED}import gristmill.workers.relay.loop",
    "worker": f"{_LOADED}import gristmill.workers.celery.worker",
    "web": f"{_LOADED}import gristmill.ingress.serve, gristmill.ingress.app",
}
_MEASURE: Final = """
import json, sys, time
taken = []
for code in sys.argv[1:]:
    began = time.process_time()
    exec(code, {"__name__": "measured"})
    taken.append(time.process_time() - began)
print(json.dumps([*taken, time.process_time()]))
"""


def main() -> int:
    """Measure, print the table, and return 0 (also for a missed aim)."""
    options = _read_options()
    report = Report(broker="")
    report.look_at_load("imports")
    ratios: dict[tuple[str, str], list[float]] = {}
    seconds: dict[str, list[float]] = {}
    for _ in range(options.rounds):
        for before, first in BEFORE.items():
            for added, second in ADDED.items():
                base, more, _whole = _measure(first, second)
                ratios.setdefault((added, before), []).append(more / base)
        for process, code in PROCESSES.items():
            seconds.setdefault(process, []).append(_measure(code)[-1])
    for (added, before), each in ratios.items():
        report.add("ratio", f"{added}, beside {before}", statistics.median(each), "x", _spread(each), at_most=AIM)
    for process, each in seconds.items():
        report.add("start", process, statistics.median(each), "s", f"the interpreter included; {_spread(each)}")
    print(report.table())
    if options.json is not None:
        report.write(options.json)
    return 0


def _measure(*codes: str) -> list[float]:
    """Run pieces of code one after the other in a new process; return the processor time of each, and of all."""
    command = [sys.executable, "-P", "-W", "ignore", "-c", _MEASURE, *codes]
    told = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True).stdout
    times: list[float] = json.loads(told)
    return times


def _spread(values: list[float]) -> str:
    return f"{min(values):.2f} to {max(values):.2f}"


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.imports",
        description="Measure what `from gristmill import …` adds to an application, and what starting a process costs.",
    )
    parser.add_argument("--rounds", type=int, default=11, help="default: %(default)s")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    options = parser.parse_args()
    if not 1 <= options.rounds <= 1000:
        parser.error("--rounds must lie between 1 and 1000")
    return options


if __name__ == "__main__":
    sys.exit(main())
