"""Parse a filter from JSON, and refuse an invalid one with the path of each error.

A term is `{"field": "state", "eq": "queued"}`: one field, one operator. Terms go together as `{"and": […]}`,
`{"or": […]}` and `{"not": {…}}`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final

from gristmill.shared.errors import InvalidError
from gristmill.shared.filters.comparisons import OPERATORS
from gristmill.shared.filters.fields import Catalogue, Field
from gristmill.shared.filters.like import refuse_pattern
from gristmill.shared.filters.specification import EVERYTHING, And, Not, Or, Specification

DEEPEST: Final = 8  # and, or, not inside each other; nobody reads more
MOST_TERMS: Final = 50  # comparisons of one filter: Postgres evaluates each of them for each row
MOST_VALUES: Final = 100  # of an `in`

_SHAPE: Final = (
    'A filter is {"field": …, "eq": …} with one operator, or one of {"and": […]}, {"or": […]} and {"not": {…}}.'
)
_TOGETHER: Final = {"and": And, "or": Or}


def read_filter(
    where: Any, catalogue: Catalogue, *, path: str = "where", may: Callable[[frozenset[str]], bool] | None = None
) -> Specification:
    """Return the specification that `where` states.

    Args:
        where: a value as the JSON parser returns it.
        catalogue: the fields that there are.
        path: its own path, with which those in errors begin.
        may: tells if the caller has one of these scopes; None means that it has all.

    Raises:
        InvalidError: `details` has the path of each error.
    """
    reader = _Reader(catalogue, may)
    read = reader.read(where, path, DEEPEST)
    if reader.terms > MOST_TERMS:
        reader.refuse(path, f"Has {reader.terms} terms, more than {MOST_TERMS}: ask in several steps.")
    if reader.wrong:
        msg = "The filter cannot be understood: details names each wrong place"
        raise InvalidError(msg, reader.wrong)
    return read


class _Reader:
    """Parses one filter, and goes on after an error, so that all errors are reported together."""

    def __init__(self, catalogue: Catalogue, may: Callable[[frozenset[str]], bool] | None) -> None:
        self.wrong: dict[str, list[str]] = {}
        self.terms = 0
        self._catalogue = catalogue
        self._may = may

    def refuse(self, path: str, message: str) -> Specification:
        """Note an error, and return a specification in place of the one that cannot be parsed."""
        self.wrong.setdefault(path, []).append(message)
        return EVERYTHING

    def read(self, where: Any, path: str, deeper: int) -> Specification:
        if isinstance(where, Mapping) and "field" in where:
            return self._read_term(where, path)
        if not isinstance(where, Mapping) or len(where) != 1:
            return self.refuse(path, _SHAPE)
        if not deeper:
            return self.refuse(path, f"Nests deeper than {DEEPEST} levels: write it flatter.")
        ((name, inner),) = where.items()
        inside = f"{path}.{name}"
        if name in _TOGETHER:
            return _TOGETHER[name](self._read_list(inner, inside, deeper - 1))
        return Not(self.read(inner, inside, deeper - 1)) if name == "not" else self.refuse(inside, _SHAPE)

    def _read_list(self, inner: Any, path: str, deeper: int) -> tuple[Specification, ...]:
        if not isinstance(inner, list) or not 0 < len(inner) <= MOST_TERMS:
            self.refuse(path, f"Takes a list of 1 to {MOST_TERMS} filters.")
            return ()
        return tuple(self.read(each, f"{path}.{number}", deeper) for number, each in enumerate(inner))

    def _read_term(self, where: Mapping[str, Any], path: str) -> Specification:
        self.terms += 1
        field = self._catalogue.get(where["field"]) if isinstance(where["field"], str) else None
        if field is None:
            return self.refuse(f"{path}.field", f"No such field; there are {', '.join(self._catalogue)}.")
        if field.scopes and self._may is not None and not self._may(field.scopes):
            scopes = " or ".join(sorted(field.scopes))
            return self.refuse(f"{path}.field", f"Needs a key with the scope {scopes}: others see their own only.")
        allowed = (*field.kind.operators, *(("is_null",) if field.nullable else ()))
        given = [name for name in where if name != "field"]
        for name in given:
            if name not in allowed:
                self.refuse(f"{path}.{name}", f"{field.name} takes {', '.join(allowed)}.")
        if len(given) != 1:
            return self.refuse(path, f"Give one operator for {field.name}: {', '.join(allowed)}.")
        name = given[0]
        return self._compare(field, name, where[name], f"{path}.{name}") if name in allowed else EVERYTHING

    def _compare(self, field: Field, name: str, value: Any, path: str) -> Specification:
        try:
            if name == "is_null":
                return OPERATORS[name](field, _read_boolean(value))
            if name in ("in", "between"):
                return OPERATORS[name](field, self._read_several(field, name, value, path))
            read = field.kind.read(value)
            if name == "like":
                refuse_pattern(read)
            return OPERATORS[name](field, read)
        except ValueError as error:
            return self.refuse(path, str(error))

    def _read_several(self, field: Field, name: str, value: Any, path: str) -> tuple[Any, ...]:
        if name == "between" and (not isinstance(value, list) or len(value) != 2):  # noqa: PLR2004  from and to
            raise ValueError("Takes a list of two values, from and to; both are included.")
        if not isinstance(value, list) or not 0 < len(value) <= MOST_VALUES:
            msg = f"Takes a list of 1 to {MOST_VALUES} values."
            raise ValueError(msg)
        read = []
        for number, each in enumerate(value):
            try:
                read.append(field.kind.read(each))
            except ValueError as error:
                self.refuse(f"{path}.{number}", str(error))
        return tuple(read)


def _read_boolean(value: Any) -> bool:
    if not isinstance(value, bool):
        raise ValueError("Takes true or false.")  # noqa: TRY004  the parser catches it with the others
    return value
