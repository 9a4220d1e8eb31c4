"""Translate regular expressions of Python into those of JSON Schema (ECMA 262, with the flag u)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from gristmill.shared.contract.refusal import FieldRefusedError

_SYNTAX: Final = frozenset("^$\\.*+?()[]{}|/")
_SAME: Final = frozenset("dDwWsSbBnrtfv123456789")
_OTHER: Final = {"A": "^", "Z": "$", "z": "$", "a": "\\x07"}
_QUANTIFIER: Final = re.compile(r"\{(\d*)(,?)(\d*)\}")
_ESCAPED: Final = re.compile(r"\\(?:x[0-9a-fA-F]{2}|u[0-9a-fA-F]{4}|U[0-9a-fA-F]{8})")
_GROUP: Final = re.compile(r"\(\?(?:[:=!]|<[=!])")
_NAMED: Final = re.compile(r"\(\?P<(\w+)>")
_AGAIN: Final = re.compile(r"\(\?P=(\w+)\)")
_CURE: Final = "write it without, or give metadata={'pattern': …} beside a validator that is a function"


def ecma_pattern(regex: re.Pattern[str] | re.Pattern[bytes]) -> str:
    """Return the pattern that finds what `Regexp(regex)` accepts, which matches from the start of a text.

    Raises:
        FieldRefusedError: it has flags or parts that ECMA 262 does not know.
    """
    if isinstance(regex.pattern, bytes):
        raise FieldRefusedError(f"Regexp({regex.pattern!r}) matches bytes, and JSON holds text: write it without b")
    if regex.flags & ~(re.UNICODE | re.ASCII):
        flags = re.RegexFlag(regex.flags & ~re.UNICODE)
        msg = f"Regexp({regex.pattern!r}) has {flags!r}, which patterns in JSON Schema have not: {_CURE}"
        raise FieldRefusedError(msg)
    written, has_branches = _Translation(regex.pattern, regex.groupindex).run()
    return written if written.startswith("^") and not has_branches else f"^(?:{written})"


class _Translation:
    """One pass over a pattern that Python has compiled, so that it is known to be well-formed."""

    def __init__(self, pattern: str, numbers: Mapping[str, int]) -> None:
        self._pattern = pattern
        self._numbers = numbers
        self._at = 0
        self._after_quantifier = False

    def run(self) -> tuple[str, bool]:
        """Return the translation, and whether it has branches outside of all groups."""
        written: list[str] = []
        depth, has_branches = 0, False
        while self._at < len(self._pattern):
            piece = self._next()
            depth += piece.startswith("(") - (piece == ")")
            has_branches |= piece == "|" and depth == 0
            written.append(piece)
        return "".join(written), has_branches

    def _next(self) -> str:
        character = self._pattern[self._at]
        was_quantifier, self._after_quantifier = self._after_quantifier, False
        if character == "\\":
            return self._escape(in_set=False)
        if character == "[":
            return self._set()
        if character == "(":
            return self._group()
        if character == "{":
            return self._repeat()
        if character in "*+?":
            if was_quantifier and character == "+":
                raise self._refuse("a possessive quantifier")
            self._after_quantifier = not was_quantifier
        self._at += 1
        return "\\" + character if character in "]}" else character

    def _escape(self, *, in_set: bool) -> str:
        code = _ESCAPED.match(self._pattern, self._at)
        if code is not None:
            self._at = code.end()
            return chr(int(code[0].removeprefix("\\U"), base=16)) if code[0][1] == "U" else code[0]
        following = self._pattern[self._at + 1]
        self._at += 2
        if following in _SAME or following in _SYNTAX or (in_set and following == "-"):
            return "\\" + following
        if following in _OTHER:
            return _OTHER[following]
        if not following.isalnum():
            return following
        raise self._refuse(f"\\{following}")

    def _set(self) -> str:
        self._at += 1
        written = "["
        if self._pattern[self._at] == "^":
            written, self._at = "[^", self._at + 1
        first = True
        while first or self._pattern[self._at] != "]":
            character = self._pattern[self._at]
            if character == "\\":
                written += self._escape(in_set=True)
            else:
                written += "\\" + character if character in "[]" else character
                self._at += 1
            first = False
        self._at += 1
        return written + "]"

    def _group(self) -> str:
        known = _GROUP.match(self._pattern, self._at)
        named = _NAMED.match(self._pattern, self._at)
        again = _AGAIN.match(self._pattern, self._at)
        found = known or named or again
        if found is None and self._pattern.startswith("(?", self._at):
            raise self._refuse(self._pattern[self._at : self._at + 3])
        self._at = found.end() if found else self._at + 1
        if again:
            return f"(?:\\{self._numbers[again[1]]})"  # by number, since the two languages write names differently
        return known[0] if known else "("

    def _repeat(self) -> str:
        found = _QUANTIFIER.match(self._pattern, self._at)
        if found is None or not (found[1] or found[2]):
            self._at += 1
            return "\\{"
        self._at = found.end()
        self._after_quantifier = True
        return f"{{{found[1] or '0'}{found[2]}{found[3]}}}"

    def _refuse(self, part: str) -> FieldRefusedError:
        return FieldRefusedError(f"Regexp({self._pattern!r}) has {part}, which ECMA 262 does not know: {_CURE}")
