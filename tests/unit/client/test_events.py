"""Server-sent events are read in whatever parts their bytes come."""

import pytest

from gristmill.client.events import EventParser
from gristmill.client.jobs import Event

STREAM = (
    b": a comment\r\n\r\n"
    b'id: 1-0-5\r\nevent: job.accepted\r\ndata: {"state": "queued",\r\ndata: "name": "\xc3\xa4\xe2\x80\xa8b"}\r\n\r\n'
    b"id:2\ndata:1\n\n"
    b'event: job.cancelled\ndata: {"state"'
)
EVENTS = [
    Event("1-0-5", "job.accepted", {"state": "queued", "name": "ä\u2028b"}),  # no line ends at U+2028
    Event("2", "message", 1),
]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1_000])
def test_events_are_the_same_in_whatever_parts_they_come(size: int) -> None:
    parser = EventParser()
    parts = [STREAM[first : first + size] for first in range(0, len(STREAM), size)]
    assert [event for part in parts for event in parser.feed(part)] == EVENTS
