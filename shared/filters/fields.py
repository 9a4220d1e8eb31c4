"""Fields of a table that can be filtered by, and the kinds that several tables share."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from dataclasses import field as with_default
from typing import TYPE_CHECKING, Any, Final

from gristmill.shared.base.principal import ADMIN, OPERATOR
from gristmill.shared.filters.kinds import ChoiceKind, IdKind, Kind, TextKind, TimeKind
from gristmill.shared.queues import QUEUES

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

Test = Callable[[Any], "ColumnElement[bool]"]


@dataclass(frozen=True, slots=True)
class Field:
    """A column that can be filtered by.

    Attributes:
        name: in filters; the attribute of an entity has the name of the column.
        scopes: a key needs one of them to filter by this field; with none, any key may.
    """

    name: str
    kind: Kind
    column: Any = with_default(compare=False, repr=False)
    scopes: frozenset[str] = frozenset()

    @property
    def nullable(self) -> bool:
        """True when the field may be empty."""
        return bool(self.column.property.columns[0].nullable)

    def of(self, entity: Any) -> Any:
        """Return the value that `entity` has for the field, None when it is empty."""
        return getattr(entity, self.column.key)

    def where(self, test: Test) -> ColumnElement[bool]:
        """Return the condition that `test` is true of the value; for NULL `test` must be NULL or false."""
        return test(self.column)

    def is_empty(self) -> ColumnElement[bool]:
        """Return the condition that the field is empty."""
        empty: ColumnElement[bool] = self.column.is_(None)
        return empty


Catalogue = dict[str, Field]

TEXT: Final = TextKind()
TIME: Final = TimeKind()
ID: Final = IdKind()
QUEUE: Final = ChoiceKind(QUEUES)
SEES_ALL: Final = frozenset({ADMIN, OPERATOR})  # the scopes of those who may filter by the producer


def catalogue_of(model: type[Any], kinds: dict[str, Kind]) -> Catalogue:
    """Return the fields of `model` by their names, each with its kind."""
    return {name: Field(name, kind, getattr(model, name)) for name, kind in kinds.items()}
