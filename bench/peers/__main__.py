"""`python -m bench.peers`: run the peers in turn, and write one page and one chart."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import redis

from bench.peers import chart, costs, environments
from bench.peers.figures import Figures
from bench.peers.markdown import Page
from bench.peers.own import Naive, Own
from bench.peers.peer import EXECUTE, Peer, Spec, versions
from bench.peers.roster import BY_NAME, OURS, PEERS
from bench.peers.servers import PeerServers
from bench.peers.slot import QUICK, WHOLE, Sizes, measure
from bench.report import sync_time
from bench.stack import Stack, say
from gristmill.process import ServiceFailedError
from gristmill.services.rabbitmq import INSTALL, find_rabbitmq

_OURS: Final = {"gristmill": Own, "gristmill-alone": Own, "flask-celery": Naive}


def main() -> int:
    """Measure, write, and return 0; 1 when nothing could be measured."""
    options = _read_options()
    if find_rabbitmq() is None:
        say(f"Error: {INSTALL}")
        return 1
    chosen = tuple(spec for spec in PEERS if spec.name in options.only or not options.only)
    began = time.perf_counter()
    try:
        found, skipped = _install(chosen)
        page = Page(
            specs=tuple(spec for spec in chosen if spec.name in found),
            versions=found,
            servers="",
            skipped=skipped,
        )
        figures = Figures(OURS)
        say("Starting Postgres, Valkey and RabbitMQ in a temporary folder …")
        if options.costs is not None:
            return _tell_costs([spec for spec in page.specs if options.costs in spec.backlog], options)
        with Stack("rabbitmq") as stack:
            page.servers = _servers(stack)
            _run(stack, page, figures, options, began)
    except ServiceFailedError as error:
        say(f"Error: {error}")
        return 1
    except KeyboardInterrupt:
        say("Interrupted; everything was stopped. The rounds that were whole are written.")
        return 130
    say(f"[{time.perf_counter() - began:4.0f} s] done, everything is stopped\n")
    if not figures.rounds:
        say("Error: no peer could be measured; the lines above say why.")
        return 1
    print(page.render(figures, None))
    for file in filter(None, (options.markdown, options.chart, options.json)):
        say(f"Written to {file}")
    return 0


def _install(chosen: tuple[Spec, ...]) -> tuple[dict[str, dict[str, str]], dict[str, str]]:
    """Return the versions of the peers that are there, and why others are not."""
    found: dict[str, dict[str, str]] = {}
    skipped: dict[str, str] = {}
    for spec in chosen:
        try:
            say(f"{spec.title}: environment")
            found[spec.name] = versions(spec)
        except environments.NotHereError as error:
            skipped[spec.title] = str(error)
            say(f"  left out: {error}")
    return found, skipped


def _servers(stack: Stack) -> str:
    """Return the servers' versions."""
    with redis.Redis.from_url(stack.valkey.url) as client:
        valkey = client.info()
    postgres = str(stack.query("SHOW server_version")[0][0])
    assert stack.rabbitmq is not None  # noqa: S101  the stack was made with it
    overview = stack.rabbitmq.api("GET", "/api/overview")
    rabbitmq = overview.get("rabbitmq_version", "?") if isinstance(overview, dict) else "?"
    return f"Postgres {postgres}, RabbitMQ {rabbitmq}, Valkey {valkey.get('valkey_version', valkey['redis_version'])}"


def _run(stack: Stack, page: Page, figures: Figures, options: argparse.Namespace, began: float) -> None:
    """Have all peers take their turns, and begin no round that would not end in time: a ratio needs a whole one."""
    order, rounds = deque(page.specs), options.rounds
    sizes = QUICK if options.quick else WHOLE
    longest = 0.0
    for number in range(1, rounds + 1):
        round_began = time.perf_counter()
        if number > 1 and round_began - began + longest > options.minutes * 60:
            say(f"Another round would end after {options.minutes:g} minutes; what was measured counts")
            return
        for spec in order:
            page.loads.append(os.getloadavg()[0])
            page.syncs.append(sync_time())
            say(f"[{time.perf_counter() - began:4.0f} s] round {number} of {rounds}: {spec.title}")
            try:
                figures.add(number, spec.name, _turn(stack, spec, f"peer_{spec.name}_{number}", sizes))
            except (ServiceFailedError, OSError, ValueError) as error:
                figures.fail(spec.title, str(error))
                say(f"  failed: {error}")
        order.rotate(-1)
        if figures.rounds:
            _write(options, page, figures)  # of a run that is cut off, what was measured stays
        longest = max(longest, time.perf_counter() - round_began)


def _tell_costs(specs: Sequence[Spec], options: argparse.Namespace) -> int:
    """Print where the processor time of one job of each peer goes."""
    sizes = QUICK if options.quick else WHOLE
    with Stack("rabbitmq", postgres=costs.SETTINGS) as stack:
        for number, spec in enumerate(specs):
            say(f"{spec.title}: {options.costs}")
            with _at_work(stack, spec, f"peer_costs_{number}") as peer:
                count = int(spec.backlog[options.costs] * sizes.backlog)
                print(costs.measure(peer, options.costs, count).table(spec.title), flush=True)
    return 0


def _turn(stack: Stack, spec: Spec, name: str, sizes: Sizes) -> dict[str, float]:
    with _at_work(stack, spec, name) as peer:
        figures = measure(peer, sizes)
        say("  " + ", ".join(f"{line} {value:,.1f}" for line, value in figures.items()))
        return figures


@contextmanager
def _at_work(stack: Stack, spec: Spec, name: str) -> Iterator[Peer]:
    home = PeerServers(stack, name, spec.redis)
    peer = _OURS.get(spec.name, Peer)(spec, home)
    try:
        home.open()
        yield peer
    finally:
        peer.stop()
        home.close()


def _write(options: argparse.Namespace, page: Page, figures: Figures) -> None:
    """Write the files that were asked for."""
    shown: str | None = None
    if options.chart is not None:
        chart.write(options.chart, figures, {spec.name: spec.title for spec in page.specs})
        shown = os.path.relpath(options.chart, options.markdown.parent if options.markdown else Path.cwd())
    if options.markdown is not None:
        options.markdown.write_text(page.render(figures, shown), encoding="utf-8")
    if options.json is not None:
        options.json.write_text(json.dumps(figures.as_json(), indent=1) + "\n", encoding="utf-8")


def _read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="python -m bench.peers",
        description="Compare this platform with other job queues: real servers, loopback only, in rounds.",
        epilog="peers, in their order: " + ", ".join(BY_NAME),
    )
    parser.add_argument("--only", nargs="+", default=[], choices=list(BY_NAME), metavar="NAME", help="these alone")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument(
        "--minutes", type=float, default=40, help="begin no round that would end later (default: %(default)s)"
    )
    parser.add_argument(
        "--costs", choices=EXECUTE, metavar="KIND", help=f"tell what a job costs, by process and statement: {EXECUTE}"
    )
    parser.add_argument("--quick", action="store_true", help="one round, a tenth of the jobs; Celery unless --only")
    parser.add_argument("--markdown", type=Path, metavar="FILE", help="write the page there, too")
    parser.add_argument("--chart", type=Path, metavar="FILE.svg", help="write the chart there, and as PNG beside it")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of each round there")
    options = parser.parse_args()
    if options.quick:
        options.rounds, options.only = 1, options.only or ["celery"]
    if not 1 <= options.rounds <= 100:  # more is a slip of the finger
        parser.error("--rounds must lie between 1 and 100")
    return options


if __name__ == "__main__":
    sys.exit(main())
