"""Parse server-sent events (WHATWG HTML, 9.2)."""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator

from gristmill.client.jobs import Event

_LINE_END = re.compile(r"\r\n|\n|\r(?!\Z)")  # a CR at the end may be half of a CRLF


class EventParser:
    """Turns the bytes of a stream into events, in whatever parts they come.

    An event that was not ended by an empty line is none: its connection was cut.
    """

    def __init__(self) -> None:
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode
        self._rest = ""
        self._id: str | None = None
        self._kind = "message"
        self._data: list[str] = []

    def feed(self, part: bytes) -> Iterator[Event]:
        """Yield the events that this part completes; comments, which keep the connection alive, are skipped."""
        *lines, self._rest = _LINE_END.split(self._rest + self._decode(part))
        for line in lines:
            if line:
                self._read_field(line)
                continue
            if self._data:
                yield Event(self._id, self._kind, json.loads("\n".join(self._data)))
            self._kind, self._data = "message", []

    def _read_field(self, line: str) -> None:
        name, _, value = line.partition(":")
        value = value.removeprefix(" ")
        if name == "id":
            self._id = value
        elif name == "event":
            self._kind = value
        elif name == "data":
            self._data.append(value)
