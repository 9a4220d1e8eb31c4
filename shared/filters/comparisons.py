"""Comparisons of a filter: one field, one operator, one value. An empty field equals nothing and has no order."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Final

from sqlalchemy import ColumnClause, literal_column, true

from gristmill.shared.filters.fields import Field
from gristmill.shared.filters.kinds import TextKind, plain
from gristmill.shared.filters.like import is_like
from gristmill.shared.filters.specification import Specification

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement

_NO_TAGS: Final[ColumnClause[Any]] = literal_column("'{}'")


@dataclass(frozen=True, slots=True)
class Leaf(Specification):
    """One operator on a field, with a value that the field's kind has read."""

    field: Field
    value: Any
    operator: ClassVar[str]

    def plain(self) -> dict[str, Any]:
        value = [plain(each) for each in self.value] if isinstance(self.value, tuple) else plain(self.value)
        return {"field": self.field.name, self.operator: value}


class Comparison(Leaf):
    """Compares the value of the field; false for an empty field."""

    def is_satisfied_by(self, entity: Any) -> bool:
        found = self.field.of(entity)
        return found is not None and self.holds(found)

    def condition(self) -> ColumnElement[bool]:
        return self.field.where(self.test)

    @abstractmethod
    def holds(self, found: Any) -> bool:
        """Say whether the comparison is true of a value that is not None."""

    @abstractmethod
    def test(self, column: Any) -> Any:
        """Return the comparison as SQL, for a column that may be NULL."""

    def ordered(self, column: Any) -> Any:
        """Return the column in the order of Python: texts are ordered by their code points."""
        return column.collate("C") if isinstance(self.field.kind, TextKind) else column


class Equal(Comparison):
    """`eq`."""

    operator = "eq"

    def holds(self, found: Any) -> bool:
        return bool(found == self.value)

    def test(self, column: Any) -> Any:
        return column == self.value


class NotEqual(Leaf):
    """`ne`: the opposite of `eq`, true of an empty field too."""

    operator = "ne"

    def is_satisfied_by(self, entity: Any) -> bool:
        return bool(self.field.of(entity) != self.value)

    def condition(self) -> ColumnElement[bool]:
        return Equal(self.field, self.value).condition().is_not(true())


class Greater(Comparison):
    """`gt`."""

    operator = "gt"

    def holds(self, found: Any) -> bool:
        return bool(found > self.value)

    def test(self, column: Any) -> Any:
        return self.ordered(column) > self.value


class Less(Comparison):
    """`lt`."""

    operator = "lt"

    def holds(self, found: Any) -> bool:
        return bool(found < self.value)

    def test(self, column: Any) -> Any:
        return self.ordered(column) < self.value


class Between(Comparison):
    """`between`: from the first value to the second, both included."""

    operator = "between"

    def holds(self, found: Any) -> bool:
        return bool(self.value[0] <= found <= self.value[1])

    def test(self, column: Any) -> Any:
        return self.ordered(column).between(*self.value)


class Among(Comparison):
    """`in`: equal to one of the values."""

    operator = "in"

    def holds(self, found: Any) -> bool:
        return bool(found in self.value)

    def test(self, column: Any) -> Any:
        return column.in_(self.value)


class Like(Comparison):
    """`like`: matches a pattern; `gristmill.shared.filters.like` has the rules."""

    operator = "like"

    def holds(self, found: Any) -> bool:
        return is_like(found, self.value)

    def test(self, column: Any) -> Any:
        return column.like(self.value)


class Contains(Comparison):
    """`contains`: the value is one of the field's."""

    operator = "contains"

    def holds(self, found: Any) -> bool:
        return bool(self.value in found)

    def test(self, column: Any) -> Any:
        # The second condition follows from the first. Without it Postgres does not see that the partial index applies.
        return column.contains([self.value]) & (column != _NO_TAGS)


class Null(Leaf):
    """`is_null`: the field is empty (`true`) or is not (`false`)."""

    operator = "is_null"

    def is_satisfied_by(self, entity: Any) -> bool:
        return bool((self.field.of(entity) is None) == self.value)

    def condition(self) -> ColumnElement[bool]:
        return self.field.is_empty() if self.value else self.field.where(lambda column: column.is_not(None))


OPERATORS: Final[dict[str, type[Leaf]]] = {
    each.operator: each for each in (Equal, NotEqual, Greater, Less, Among, Like, Between, Contains, Null)
}
