"""Measure what each test with the fixture `mill` costs before its first line: `python -m bench.kit`."""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import structlog

from gristmill.testing.platform import Platform, started


def main() -> None:
    """Renew the database of a test again and again, and print the milliseconds of each step."""
    parser = argparse.ArgumentParser(prog="python -m bench.kit", description=__doc__)
    parser.add_argument("--rounds", type=int, default=30, help="tests to begin  [default: 30]")
    rounds: int = parser.parse_args().rounds
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger("error"))
    began = time.perf_counter()
    with started(Path.cwd(), server_url=None, changes={}, prepare=lambda _: None) as platform:
        print(f"the session: {time.perf_counter() - began:.1f} s, once")
        _measure("a test", lambda: _begin_test(platform), rounds)
        _measure("its copy", platform.server.renew, rounds)


def _begin_test(platform: Platform) -> None:
    with platform.renewed():
        pass


def _measure(name: str, act: Callable[[], object], rounds: int) -> None:
    seconds = []
    for _ in range(rounds):
        began = time.perf_counter()
        act()
        seconds.append(time.perf_counter() - began)
    print(f"{name}: {statistics.median(seconds) * 1000:.0f} ms, at most {max(seconds) * 1000:.0f} ms")


if __name__ == "__main__":
    main()
