"""Combine specifications with and, or and not, in a logic of two values.

SQL has a third value: a comparison with NULL is neither true nor false. A filter keeps the rows of which it is true, so
unknown may count as false except under a NOT, where `IS NOT TRUE` makes it so. Then a specification never differs
between a row in Postgres and the same row in Python, and the laws of logic hold.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from sqlalchemy import and_, false, or_, true

if TYPE_CHECKING:
    from sqlalchemy import ColumnElement


class Specification(ABC):
    """A statement about an entity, true or false. `&`, `|` and `~` combine several."""

    __slots__ = ()

    @abstractmethod
    def is_satisfied_by(self, entity: Any) -> bool:
        """Return True if the specification holds for `entity`, a row as SQLAlchemy loads it."""

    @abstractmethod
    def condition(self) -> ColumnElement[bool]:
        """Return a WHERE clause with bind parameters. Where it is not true it may be NULL."""

    @abstractmethod
    def plain(self) -> dict[str, Any]:
        """Return the specification as JSON, for the audit log; the parser reads it back."""

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
