"""Parse server-sent events (WHATWG HTML, 9.2)."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator

from gristmill_client.jobs import Event


def read_events(lines: Iterable[str]) -> Iterator[Event]:
    """Yield the events of a stream; comments, which keep the connection alive, are skipped."""
    event_id: str | None = None
    kind = "message"
    data: list[str] = []
    for line in lines:
        if not line:
            if data:
                yield Event(event_id, kind, json.loads("\n".join(data)))
            kind, data = "message", []
            continue
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            event_id = value
        elif name == "event":
            kind = value
        elif name == "data":
            data.append(value)
