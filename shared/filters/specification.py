"""Specifications that are put together: and, or, not, in a logic of two values.

SQL knows a third value: a comparison with NULL is neither true nor false. A filter keeps what is true, so unknown may
count as false everywhere but under a NOT, and there `IS NOT TRUE` says it. With that, what a specification says of a
row in Postgres and of the same row in Python never differs, and not, and, or go together as in logic.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, false, or_, true

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement


class Specification(ABC):
    """Something that is true of an entity or is not. `&`, `|` and `~` put several together."""

    __slots__ = ()

    @abstractmethod
    def is_satisfied_by(self, entity: Any) -> bool:
        """Say whether it is true of `entity`, a row as SQLAlchemy loads it."""

    @abstractmethod
    def condition(self) -> ColumnElement[bool]:
        """Return it as a WHERE clause, its values as bind parameters. Where it is not true it may be NULL."""

    @abstractmethod
    def plain(self) -> dict[str, Any]:
        """Return it as JSON, for the record; the parser reads it back."""

    def __and__(self, other: Specification) -> Specification:
        return And((*_terms(self, And), *_terms(other, And)))

    def __or__(self, other: Specification) -> Specification:
        return Or((*_terms(self, Or), *_terms(other, Or)))

    def __invert__(self) -> Specification:
        return Not(self)


@dataclass(frozen=True, slots=True)
class And(Specification):
    """True when all terms are; without terms always."""

    terms: tuple[Specification, ...]

    def is_satisfied_by(self, entity: Any) -> bool:
        return all(term.is_satisfied_by(entity) for term in self.terms)

    def condition(self) -> ColumnElement[bool]:
        return and_(true(), *(term.condition() for term in self.terms))

    def plain(self) -> dict[str, Any]:
        return self.terms[0].plain() if len(self.terms) == 1 else {"and": [term.plain() for term in self.terms]}


@dataclass(frozen=True, slots=True)
class Or(Specification):
    """True when one of the terms is; without terms never."""

    terms: tuple[Specification, ...]

    def is_satisfied_by(self, entity: Any) -> bool:
        return any(term.is_satisfied_by(entity) for term in self.terms)

    def condition(self) -> ColumnElement[bool]:
        return or_(false(), *(term.condition() for term in self.terms))

    def plain(self) -> dict[str, Any]:
        return {"or": [term.plain() for term in self.terms]}


@dataclass(frozen=True, slots=True)
class Not(Specification):
    """True when the term is not."""

    term: Specification

    def is_satisfied_by(self, entity: Any) -> bool:
        return not self.term.is_satisfied_by(entity)

    def condition(self) -> ColumnElement[bool]:
        return self.term.condition().is_not(true())

    def plain(self) -> dict[str, Any]:
        return {"not": self.term.plain()}

    def __invert__(self) -> Specification:
        return self.term


EVERYTHING: Final = And(())


def _terms(specification: Specification, kind: type[And | Or]) -> tuple[Specification, ...]:
    """Return the terms of one of `kind`, so that a chain stays flat, or the specification itself."""
    return specification.terms if isinstance(specification, kind) else (specification,)
