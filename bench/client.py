"""The client, a process of its own: one thread, raw sockets, keep-alive, requests made beforehand, answers checked.

`python -m bench.client` reads a plan (JSON) from standard input and writes what it measured (JSON) to standard output.
Standard library only, so that it starts at once and costs the machine as little as a client in Python can.
"""

import json
import math
import select
import socket
import sys
import time
from collections.abc import Sequence
from typing import Any

_WARM_UP = 0.5  # seconds, not counted: connections, prepared statements, the first look at the key
_LAST_ANSWERS = 15.0  # seconds that an answer may still take when the time is over
_RECEIVE = 65_536


class BadAnswerError(RuntimeError):
    """The server answered something else than it should."""


class Connection:
    """One keep-alive connection with at most one request under way."""

    def __init__(self, host: str, port: int, status: bytes) -> None:
        self.socket = socket.create_connection((host, port), timeout=_LAST_ANSWERS)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.sent_at = 0.0
        self._status = status
        self._received = b""

    def send(self, request: bytes) -> None:
        """Send a request."""
        self.sent_at = time.perf_counter()
        self.socket.sendall(request)

    def receive(self) -> bytes | None:
        """Read what is there; return the answer's body when it is whole.

        Raises:
            BadAnswerError: another status, or the server hung up.
        """
        piece = self.socket.recv(_RECEIVE)
        if not piece:
            raise BadAnswerError("the server closed the connection")
        self._received += piece
        head, found, body = self._received.partition(b"\r\n\r\n")
        if not found:
            return None
        if len(body) < _content_length(head):
            return None
        self._received = b""
        if head[9:12] != self._status:
            raise BadAnswerError(f"{head[:60]!r} instead of {self._status.decode()}: {body[:300]!r}")
        return body


def _content_length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.find(b"content-length:")
    if at < 0:
        raise BadAnswerError(f"an answer without Content-Length: {head[:200]!r}")
    return int(lowered[at + 15 :].split(b"\r\n", 1)[0])


def request_of(plan: dict[str, Any]) -> bytes:
    """Return the bytes of the one request that is sent again and again."""
    body = json.dumps(plan["body"]).encode() if plan.get("body") is not None else b""
    lines = [
        f"{'POST' if body else 'GET'} {plan['path']} HTTP/1.1",
        f"Host: {plan['host']}:{plan['port']}",
        *(f"{name}: {value}" for name, value in plan.get("headers", {}).items()),
    ]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def run_closed(plan: dict[str, Any]) -> dict[str, Any]:
    """Keep `connections` requests under way for `seconds`: each answer is followed by the next request at once."""
    request = request_of(plan)
    status = str(plan["status"]).encode()
    made = [Connection(plan["host"], plan["port"], status) for _ in range(plan["connections"])]
    by_file = {each.socket.fileno(): each for each in made}
    poll = select.epoll()
    for number in by_file:
        poll.register(number, select.EPOLLIN)
    latencies: list[float] = []
    begins_at = time.perf_counter() + _WARM_UP
    ends_at = begins_at + plan["seconds"]
    counted_from_cpu = 0.0
    for each in made:
        each.send(request)
    under_way = len(made)
    while under_way:
        now = time.perf_counter()
        if now > ends_at + _LAST_ANSWERS:
            raise BadAnswerError(f"{under_way} requests were not answered within {_LAST_ANSWERS:g} s")
        for number, _ in poll.poll(1.0):
            connection = by_file[number]
            if connection.receive() is None:
                continue
            now = time.perf_counter()
            if begins_at <= now < ends_at:
                if not counted_from_cpu:
                    counted_from_cpu = time.process_time()
                latencies.append(now - connection.sent_at)
            if now < ends_at:
                connection.send(request)
            else:
                under_way -= 1
    cpu = time.process_time() - counted_from_cpu
    return {**summary(latencies), "seconds": plan["seconds"], "client_cpu": cpu / plan["seconds"]}


def run_single(plan: dict[str, Any]) -> dict[str, Any]:
    """Send `count` requests over one connection, each `pause` seconds after the answer to the one before."""
    request = request_of(plan)
    connection = Connection(plan["host"], plan["port"], str(plan["status"]).encode())
    latencies: list[float] = []
    sent: list[tuple[str, float]] = []
    for _ in range(plan["count"]):
        time.sleep(plan["pause"])
        clock = time.time()
        connection.send(request)
        body = connection.receive()
        while body is None:
            body = connection.receive()
        latencies.append(time.perf_counter() - connection.sent_at)
        sent.append((json.loads(body)["id"], clock))
    return {**summary(latencies), "sent": sent}


def summary(latencies: Sequence[float]) -> dict[str, Any]:
    """Return the count and percentiles of some latencies (seconds in, milliseconds out)."""
    return {
        "count": len(latencies),
        **{f"p{percent}": percentile(latencies, percent) * 1000 for percent in (50, 95, 99)},
    }


def percentile(values: Sequence[float], percent: float) -> float:
    """Return the smallest of `values` that `percent` of them do not exceed (nearest rank); NaN of nothing."""
    if not values:
        return math.nan
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * percent / 100) - 1)]


if __name__ == "__main__":
    wanted = json.load(sys.stdin)
    try:
        done = run_closed(wanted) if "connections" in wanted else run_single(wanted)
    except (BadAnswerError, OSError) as problem:
        sys.exit(f"bench.client: {problem}")
    json.dump(done, sys.stdout)
