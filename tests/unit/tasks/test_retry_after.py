"""Reading the Retry-After header."""

from datetime import UTC, datetime, timedelta

import pytest

from gristmill.shared.outgoing.retry_after import read_retry_after

NOW = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("header", "wait"),
    [
        (None, None),
        ("120", timedelta(seconds=120)),
        (" 0 ", timedelta(0)),
        ("99999999999999999999", timedelta(hours=1)),
        ("Sun, 01 Mar 2026 12:00:30 GMT", timedelta(seconds=30)),
        ("Sun, 01 Mar 2026 11:00:00 GMT", timedelta(0)),
        ("Sun, 01 Mar 2036 12:00:00 GMT", timedelta(hours=1)),
        ("Sun, 01 Mar 99999999999999 12:00:00 GMT", None),
        ("Sun, 01 Mar 2026 12:00:00 +9999999999999999", None),
        ("soon", None),
        ("-5", None),
        ("", None),
        ("١٢", None),
    ],
)
def test_retry_after_is_seconds_or_a_date_and_at_most_an_hour(header: str | None, wait: timedelta | None) -> None:
    assert read_retry_after(header, NOW) == wait
