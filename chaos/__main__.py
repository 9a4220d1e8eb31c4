"""`python -m chaos`: attack the whole platform for a while, and show that nothing was lost and nothing done twice."""

from __future__ import annotations

import argparse
import shutil
import signal
import sys
from pathlib import Path
from typing import NoReturn

from chaos.outcome import Options
from chaos.plan import make_plan
from chaos.report import as_json, findings, table
from chaos.run import Run
from gristmill.process import ServiceFailedError
from gristmill.services.rabbitmq import INSTALL, find_rabbitmq


def main() -> int:
    """Run; 0 when the promise was kept, 1 when it was not or the harness failed, 130 when interrupted."""
    signal.signal(signal.SIGTERM, _interrupt)
    given = _read_options()
    options = Options(given.seed, given.seconds, given.broker, given.clients, given.rate)
    if options.broker == "rabbitmq" and find_rabbitmq() is None:
        print(f"Error: {INSTALL}; or attack the embedded default: BROKER=valkey", file=sys.stderr)
        return 1
    if given.keep:
        for lane in make_plan(options.seed, options.seconds, options.broker).values():
            print(*lane, sep="\n", file=sys.stderr)
    run = Run(options)
    keep = given.keep
    try:
        outcome = run.go()
        text = table(outcome)
        if not outcome.verdict.passed:
            keep = True
            text += f"\n\n{findings(outcome, run.folder)}"
        print(text, flush=True)
        (run.folder / "report.txt").write_text(f"{text}\n", encoding="utf-8")
        if given.json is not None:
            given.json.write_text(as_json(outcome), encoding="utf-8")
    except ServiceFailedError as error:
        keep = True
        print(f"Error: {error}\nLogs: {run.folder}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("Interrupted; everything is stopped.", file=sys.stderr)
        return 130
    finally:
        run.close()
        if not keep:
            shutil.rmtree(run.folder, ignore_errors=True)
    return 0 if outcome.verdict.passed else 1


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m chaos",
        description="Attack a whole private platform with faults that a seed decides, while clients post jobs to it; "
        "then heal it, let it drain, and compare the clients' ledger with the database.",
    )
    parser.add_argument("--seed", type=int, default=1, help="decides every fault and every job (default: 1)")
    parser.add_argument("--seconds", type=float, default=60, help="how long the chaos lasts (default: 60)")
    parser.add_argument("--broker", choices=["rabbitmq", "valkey"], default="rabbitmq", help="default: rabbitmq")
    parser.add_argument("--clients", type=int, default=6, help="that post at the same time (default: 6)")
    parser.add_argument("--rate", type=float, default=20, help="jobs a second, all clients together (default: 20)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there, too")
    parser.add_argument("--keep", action="store_true", help="show the plan, and keep the folder with logs and data")
    options = parser.parse_args()
    for name, value, most in (("seconds", options.seconds, 86_400), ("clients", options.clients, 100)):
        if not 1 <= value <= most:
            parser.error(f"--{name} must lie between 1 and {most}")
    if not 0 < options.rate <= 1000:  # noqa: PLR2004  the bound is in the message
        parser.error("--rate must lie above 0 and at most at 1000")
    return options


def _interrupt(*_: object) -> NoReturn:
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main())
