"""Schema parts that all lists share: page limits, cursors, filters and counts."""

from __future__ import annotations

from typing import Any, Final

from marshmallow import Schema, ValidationError, fields
from marshmallow.validate import Range

from gristmill.ingress.http.cursor import BY_ID, Cursor
from gristmill.shared.database.bounded_count import MOST_COUNTED

MOST_OF_A_PAGE: Final = 100
DESCRIBED_BY: Final = "x-described-by"  # a component that the document refers to instead of the field


def limit_field() -> fields.Integer:
    """Return a field for the size of a page, in a query, where every value is text."""
    return fields.Integer(load_default=20, validate=Range(1, MOST_OF_A_PAGE))


class CursorField(fields.String):
    """The cursor of a page; loads the key after which the page begins."""

    def __init__(self, cursor: Cursor[Any] = BY_ID) -> None:
        super().__init__(metadata={"description": "`next_cursor` of the previous page.", "pattern": cursor.pattern})
        self._cursor = cursor

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> Any:
        return self._cursor.read(super()._deserialize(value, attr, data, **options))


class Page(Schema):
    next_cursor = fields.String(
        required=True, allow_none=True, metadata={"description": "The cursor of the next page; null on the last one."}
    )


def where_field(component: str) -> fields.Raw:
    """Return a field for a filter that `gristmill.shared.filters.parse` reads and `component` describes."""
    return fields.Raw(metadata={DESCRIBED_BY: component})


class CountAnswer(Schema):
    count = fields.Integer(
        required=True, metadata={"description": f"The number of matching rows, {MOST_COUNTED:,} at most."}
    )
    more = fields.Boolean(required=True, metadata={"description": "Whether there are more than `count`."})


def refuse_everything_by_mistake(choice: Schema, data: dict[str, Any], everything: str) -> None:
    """Refuse a body with neither a filter nor `all`, or with both.

    Raises:
        ValidationError: says what to send.
    """
    filters = choice.fields.keys()
    if filters & data.keys() and data.get("all"):
        raise ValidationError("Give filters or all, not both.", "all")
    if not filters & data.keys() and not data.get("all"):
        msg = f'Give one of {", ".join(filters)}; or "all": true, for {everything}.'
        raise ValidationError(msg)
