"""A cursor gives back the key it was made of, and nothing else is taken for one."""

import base64
from datetime import UTC, datetime, timedelta, timezone
from typing import Any
from uuid import UUID

import pytest
from marshmallow import ValidationError

from gristmill.ingress.http.cursor import BY_GROUP, BY_ID, BY_NAME, BY_TIME, Cursor
from gristmill.shared.dead_letters.queries_groups import GroupPosition

ID = UUID("019a0000-0000-7000-8000-00000000002a")
NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)


def encoded(text: str) -> str:
    return base64.urlsafe_b64encode(text.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("cursor", "key"),
    [(BY_ID, ID), (BY_NAME, "größe"), (BY_TIME, NOON), (BY_GROUP, GroupPosition(7, NOON, ID))],
    ids=["id", "name", "time", "group"],
)
def test_a_cursor_gives_back_the_key_it_was_made_of(cursor: Cursor[Any], key: Any) -> None:
    assert cursor.read(cursor.write(key)) == key


def test_a_time_is_the_same_cursor_whatever_its_offset() -> None:
    assert BY_TIME.write(NOON.astimezone(timezone(timedelta(hours=5)))) == BY_TIME.write(NOON)


@pytest.mark.parametrize(
    ("cursor", "wrong"),
    [
        *((each, wrong) for each in (BY_ID, BY_NAME, BY_TIME, BY_GROUP) for wrong in ("", "!", "ä", "\ud800", "A" * 5)),
        (BY_ID, BY_ID.write(ID)[:-1] + "B"),  # two bits that no id has
        (BY_ID, encoded("sixteen characters and more")),
        (BY_NAME, BY_NAME.write("a\0b")),
        (BY_NAME, BY_NAME.write("ab") + "="),
        (BY_TIME, encoded("2030-01-01T12:00:00")),
        (BY_TIME, encoded("2030-01-01T12:00:00Z")),  # the same time, written in another way
        (BY_TIME, encoded("0001-01-01T00:00:00+23:59")),
        (BY_GROUP, encoded(f"0 {NOON.isoformat()} {ID}")),
        (BY_GROUP, encoded(f"{2**63} {NOON.isoformat()} {ID}")),
        (BY_GROUP, encoded(f"1 2030-01-01T12:00:00 {ID}")),
        (BY_GROUP, encoded(f"1 {NOON.isoformat()}")),
    ],
)
def test_what_no_list_has_given_is_refused(cursor: Cursor[Any], wrong: str) -> None:
    with pytest.raises(ValidationError, match="Not a cursor of this list"):
        cursor.read(wrong)
