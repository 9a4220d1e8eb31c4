"""The producer's process: it is told over a socket of loopback what to send, and answers with what it measured."""

from __future__ import annotations

import json
import math
import os
import socket
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from bench.peers.inside.work import CONTROL

WARM_UP: Final = 0.3  # seconds, not counted: connections, prepared statements, first looks
FILLERS: Final = 8  # threads that write a backlog where there is no call for many

One = Callable[[str, float], object]
Many = Callable[[str, int], object]


@dataclass(frozen=True, slots=True)
class Producer:
    """The interface by which a peer is given jobs.

    Attributes:
        one: accepts one job of a kind, with the time at which it was sent; returns when the peer holds it durably.
        many: the same for a number of jobs, by the peer's own call for many; None where it has none.
        closed: another way to keep `at_once` requests under way for some seconds.
        fill: another way to write a backlog; it is not measured.
    """

    one: One
    many: Many | None = None
    closed: Callable[[float, int], dict[str, Any]] | None = None
    fill: Many | None = None


def serve(producer: Producer) -> None:
    """Do what is asked until the other side hangs up."""
    with control() as link, link.makefile("rw", encoding="utf-8") as lines:
        tell(lines, {"ready": True, "bulk": producer.many is not None})
        for line in lines:
            tell(lines, obey(producer, json.loads(line)))


def control() -> socket.socket:
    """Return the connection to who asks."""
    link = socket.create_connection(("127.0.0.1", int(os.environ[CONTROL])))
    link.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return link


def tell(lines: Any, answer: dict[str, Any]) -> None:
    """Send one answer."""
    lines.write(json.dumps(answer) + "\n")
    lines.flush()


def obey(producer: Producer, wanted: dict[str, Any]) -> dict[str, Any]:
    """Do one thing."""
    what = wanted["do"]
    if what == "closed":
        return (producer.closed or closed(producer.one))(wanted["seconds"], wanted["at_once"])
    if what == "batches":
        return batches(producer.many, wanted["seconds"], wanted["size"])
    if what == "paced":
        return paced(producer.one, wanted["kind"], wanted["rate"], wanted["count"], wanted["at_once"])
    fill(producer, wanted["kind"], wanted["count"])
    return {}


def closed(one: One) -> Callable[[float, int], dict[str, Any]]:
    """Return what keeps some jobs under way: each thread sends the next when the one before was accepted."""

    def keep_going(seconds: float, at_once: int) -> dict[str, Any]:
        begins_at = time.monotonic() + WARM_UP
        ends_at = begins_at + seconds
        taken: list[float] = []

        def send(_: int) -> None:
            while (began := time.monotonic()) < ends_at:
                one("noop", began)
                if begins_at <= (now := time.monotonic()) < ends_at:
                    taken.append(now - began)

        in_threads(at_once, send)
        return summary(taken, seconds)

    return keep_going


def batches(many: Many | None, seconds: float, size: int) -> dict[str, Any]:
    """Send batches one after the other, and count until the last one that has begun in time is accepted."""
    if many is None:
        return {}
    many("noop", size)
    began, taken = time.monotonic(), list[float]()
    while time.monotonic() - began < seconds:
        at = time.monotonic()
        many("noop", size)
        taken.append(time.monotonic() - at)
    answer = summary(taken, time.monotonic() - began)
    return answer | {"rate": answer["rate"] * size}


def paced(one: One, kind: str, rate: float, count: int, at_once: int) -> dict[str, Any]:
    """Send `count` jobs at `rate` a second, whether or not the ones before have been accepted."""
    begins_at = time.monotonic() + WARM_UP
    taken: list[float] = []

    def send(number: int) -> None:
        for at in range(number, count, at_once):
            time.sleep(max(0.0, begins_at + at / rate - time.monotonic()))
            sent = time.monotonic()
            one(kind, sent)
            taken.append(time.monotonic() - sent)

    in_threads(at_once, send)
    return summary(taken, max(1e-9, time.monotonic() - begins_at))


def fill(producer: Producer, kind: str, count: int) -> None:
    """Write a backlog as fast as it goes."""
    many = producer.fill or producer.many
    if many is not None:
        for first in range(0, count, 1000):
            many(kind, min(1000, count - first))
        return

    def send(number: int) -> None:
        for _ in range(number, count, FILLERS):
            producer.one(kind, 0.0)

    in_threads(FILLERS, send)


def in_threads(number: int, run: Callable[[int], None]) -> None:
    """Run the same in some threads, and raise what one of them raised.

    Raises:
        RuntimeError: one of them failed.
    """
    failed: list[BaseException] = []

    def watched(at: int) -> None:
        try:
            run(at)
        except BaseException as error:  # noqa: BLE001  raised again below
            failed.append(error)

    threads = [threading.Thread(target=watched, args=(at,), daemon=True) for at in range(number)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    if failed:
        raise RuntimeError(f"{type(failed[0]).__name__}: {failed[0]}") from failed[0]


def summary(taken: Sequence[float], seconds: float) -> dict[str, Any]:
    """Return how many there were a second, and percentiles in milliseconds."""
    ordered = sorted(taken)

    def percentile(percent: float) -> float:
        return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)] * 1000 if ordered else 0.0

    return {"count": len(ordered), "rate": len(ordered) / seconds, "p50": percentile(50), "p95": percentile(95)}
