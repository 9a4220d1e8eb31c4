"""Lay out a SQL statement: each clause on a line of its own, sub-selects indented, at most 100 characters a line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

WIDTH = 100
SHORT = 80  # characters of a sub-select that stays on the line
TOKEN = re.compile(r"'[^']*'|\"[^\"]*\"|:?\w+|::|<=|>=|<>|\|\||->>|->|\S")
CLAUSES = {
    "WITH", "SELECT", "FROM", "JOIN", "LEFT", "CROSS", "WHERE", "GROUP", "ORDER", "LIMIT", "OFFSET", "FOR", "UNION",
    "INSERT", "VALUES", "UPDATE", "SET", "DELETE", "DO", "RETURNING",
}  # fmt: skip
CONDITIONS = {"AND", "OR"}
BREAKS_BEFORE = {"WHEN", "THEN", "ELSE", "AND", "OR", "+"}
STATEMENTS = {"WITH", "SELECT", "INSERT", "UPDATE", "DELETE"}
# Pairs of words that belong together: the second one begins no clause.
JOINED = {
    ("DISTINCT", "FROM"), ("ROWS", "FROM"), ("DELETE", "FROM"), ("FOR", "UPDATE"), ("KEY", "UPDATE"),
    ("DO", "UPDATE"), ("LEFT", "JOIN"), ("CROSS", "JOIN"),
}  # fmt: skip


@dataclass
class Group:
    """The tokens between two parentheses."""

    spaced: bool  # a space stands before the opening parenthesis
    items: list[Token | Group] = field(default_factory=list)

    @property
    def is_statement(self) -> bool:
        """True for a sub-select, and for several of them in parentheses."""
        first = self.items[0] if self.items else None
        return first.is_statement if isinstance(first, Group) else first is not None and first.text in STATEMENTS


@dataclass(frozen=True)
class Token:
    """A word, a literal, an operator or a comma."""

    text: str
    spaced: bool  # a space stands before it


Items = list[Token | Group]


def lay_out(sql: str) -> str:
    """Return `sql` with other whitespace between its tokens, and without changes within them."""
    return "\n".join(_lines(_parse(sql), indent=0))


def tokens_of(sql: str) -> list[str]:
    """Return the tokens of `sql`: two statements that differ in whitespace only have the same."""
    return TOKEN.findall(sql)


def _parse(sql: str) -> Items:
    stack = [Group(spaced=False)]
    for found in TOKEN.finditer(sql):
        spaced = found.start() > 0 and sql[found.start() - 1].isspace()
        if found[0] == "(":
            group = Group(spaced)
            stack[-1].items.append(group)
            stack.append(group)
        elif found[0] == ")":
            stack.pop()
        else:
            stack[-1].items.append(Token(found[0], spaced))
    (whole,) = stack
    return whole.items


def _lines(items: Items, *, indent: int) -> Iterator[str]:
    for clause in _clauses(items):
        first = _text_of(clause[0])
        writer = Writer(indent + 2 * (first in CONDITIONS), is_list_of_names=first == "WITH")
        writer.put(clause)
        yield from writer.finished()


def _clauses(items: Items) -> Iterator[Items]:
    """Cut a statement before each word that begins a clause or a condition, but not within CASE."""
    clause: Items = []
    cases = 0
    for number, item in enumerate(items):
        text = _text_of(item)
        cases += (text == "CASE") - (text == "END")
        if clause and not cases and _begins_clause(items, number):
            yield clause
            clause = []
        clause.append(item)
    yield clause


def _begins_clause(items: Items, number: int) -> bool:
    before, word = _text_of(items[number - 1]), _text_of(items[number])
    after = _text_of(items[number + 1]) if number + 1 < len(items) else ""
    if word == "ON":
        return after == "CONFLICT"
    if (word, after) == ("WITH", "ORDINALITY"):
        return False
    return word in CLAUSES | CONDITIONS and (before, word) not in JOINED


def _text_of(item: Token | Group) -> str:
    return item.text if isinstance(item, Token) else "()"


class Writer:
    """The lines of one clause: its list is filled up to the width, and what is too long is broken within.

    Args:
        indent: spaces before the first line.
        is_list_of_names: the names of WITH: each sub-select is broken, and followed on its line, as in `), moved AS (`.
    """

    def __init__(self, indent: int, *, is_list_of_names: bool) -> None:
        self._done: list[str] = []
        self._line = ""
        self._item = [""]  # the parts of the item of the list that is being written
        self._indent = self._first = indent
        self._depth = 0
        self._is_list_of_names = is_list_of_names
        self._is_full = False

    def put(self, items: Items) -> None:
        """Write `items` behind what was written before."""
        for item in items:
            self._break_before(item)
            if isinstance(item, Token):
                self._append(item.text, spaced=item.spaced)
            else:
                self._put_group(item)

    def finished(self) -> list[str]:
        """Return all lines."""
        self._end_item()
        return [*self._done, " " * self._indent + self._line]

    def _break_before(self, item: Token | Group) -> None:
        is_word = isinstance(item, Token) and item.text in BREAKS_BEFORE and not self._item[-1].endswith("CASE")
        if item.spaced and self._item[-1].endswith(",") and not self._depth:
            self._end_item()
        elif item.spaced and (self._item[-1].endswith(",") or is_word):
            self._item.append("")

    def _append(self, text: str, *, spaced: bool) -> None:
        part = self._item[-1]
        self._item[-1] += f" {text}" if spaced and part and not part.endswith("(") and text != "," else text

    def _put_group(self, group: Group) -> None:
        self._append("(", spaced=group.spaced)
        self._depth += 1
        if group.is_statement and (self._is_list_of_names or len(_on_one_line(group.items)) > SHORT):
            self._put_statement(group.items)
        else:
            self.put(group.items)
            self._append(")", spaced=False)
        self._depth -= 1

    def _put_statement(self, items: Items) -> None:
        self._end_item()
        self._done.append(" " * self._indent + self._line)
        self._done += _lines(items, indent=self._indent + 4)
        self._line, self._item, self._is_full = "", [")"], False

    def _end_item(self) -> None:
        follows_statement = self._item[0].startswith(")")
        if self._is_full or not self._fits(" ".join(self._item)):
            self._next_line(self._first + 4)
        for part in self._item:
            if not self._fits(part):
                self._next_line(self._first + 8)
                self._is_full = True
            self._line += f" {part}" if self._line else part
        self._item = [""]
        self._is_full |= follows_statement and not self._is_list_of_names

    def _fits(self, text: str) -> bool:
        return not self._line or self._indent + len(self._line) + 1 + len(text) <= WIDTH

    def _next_line(self, indent: int) -> None:
        self._done.append(" " * self._indent + self._line)
        self._line, self._indent, self._is_full = "", indent, False


def _on_one_line(items: Items) -> str:
    words = ((item.text if isinstance(item, Token) else f"({_on_one_line(item.items)})", item.spaced) for item in items)
    return "".join(f" {text}" if spaced else text for text, spaced in words).strip()
