"""The ids of events: which of them a client has seen that has seen another."""

import pytest

from gristmill.ingress.following.events import EventId
from gristmill.shared.errors import InvalidError


@pytest.mark.parametrize(
    ("last", "seen", "unseen"),
    [
        ("0-0-1000", ["0-0-1000"], ["1-1-1001", "0-3-1001"]),
        ("1-2-1000", ["0-0-900", "1-1-950", "1-2-1000"], ["1-3-1001", "2-1-1001"]),
        ("2-1-1000", ["1-3-2000"], ["2-2-500"]),  # the clock may step back: the attempt counts, not the time
        ("0-3-1000", ["0-3-1000"], ["0-3-1001"]),  # it ended, was redriven, and ended again
    ],
)
def test_what_comes_after_an_event_is_not_seen(last: str, seen: list[str], unseen: list[str]) -> None:
    assert [other for other in seen + unseen if EventId.read(last).includes(EventId.read(other))] == seen


@pytest.mark.parametrize("text", ["", "1", "1-1", "1-1-1-1", "a-b-c", "-1-1-1", "1-1-²", "1-1-" + "9" * 20, "1- 1-1"])
def test_what_is_no_id_is_refused(text: str) -> None:
    with pytest.raises(InvalidError, match="Last-Event-ID"):
        EventId.read(text)


def test_an_id_is_read_as_it_was_written() -> None:
    assert str(EventId.read("3-1-1893456000000")) == "3-1-1893456000000"
