"""The error of a field that no contract can describe."""

from __future__ import annotations


class FieldRefusedError(Exception):
    """A field, or its schema, cannot be described in JSON Schema, or no example of it is accepted.

    Attributes:
        problem: says why, and what to write instead.
        path: the names that lead to the field, from outside; empty for the schema itself.
    """

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem
        self.path: tuple[str, ...] = ()

    def inside(self, name: str) -> None:
        """Put the name of what holds the field before the path."""
        self.path = (name, *self.path)

    def __str__(self) -> str:
        return f"the argument {'.'.join(self.path)}: {self.problem}" if self.path else self.problem
