"""Measure what the test kit adds to each test: `python -m bench.test_kit`."""

from __future__ import annotations

import statistics
import time

from gristmill.shared.plugins.load import load_plugins
from gristmill.testing.mails import CaughtMail
from gristmill.testing.mill import Mill, settings_for
from gristmill.testing.server import TestServer

ROUNDS = 40


def main() -> None:
    """Copy the template, make a mill, run one task, drop the copy; print the median and the spread in milliseconds."""
    load_plugins()
    server, mails = TestServer(), CaughtMail()
    began = time.perf_counter()
    server.start()
    mails.start()
    try:
        server.make_template(settings_for, None)
        print(f"once: {time.perf_counter() - began:.1f} s")
        seconds = [_one(server, mails) for _ in range(ROUNDS)]
    finally:
        mails.stop()
        server.stop()
    low, middle, high = (each * 1000 for each in statistics.quantiles(seconds, n=4))
    print(f"each test: {middle:.0f} ms (quartiles {low:.0f} and {high:.0f}, {ROUNDS} tests)")


def _one(server: TestServer, mails: CaughtMail) -> float:
    began = time.perf_counter()
    name = server.make_copy()
    mill = Mill(server.url_of(name), mails=mails)
    mill.run("demo.echo", message="hello")
    mill.close()
    server.drop_copy(name)
    return time.perf_counter() - began


if __name__ == "__main__":
    main()
