"""Match the patterns of `like`: `%` is any text, `_` any one character, and a backslash escapes either."""

from __future__ import annotations

import re
from functools import lru_cache

_PIECE = re.compile(r"\\(.)|(%)|(_)|([^\\%_]+)", re.DOTALL)


def refuse_pattern(pattern: str) -> None:
    """Refuse a pattern that Postgres could not read.

    Raises:
        ValueError: its last backslash escapes nothing.
    """
    if (len(pattern) - len(pattern.rstrip("\\"))) % 2:
        raise ValueError("Ends with a lone backslash: write two for one that is meant.")


def is_like(text: str, pattern: str) -> bool:
    """Say whether the whole of `text` matches, as LIKE does: case counts, and a wildcard matches a line break too."""
    return _compiled(pattern).fullmatch(text) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    """Return a regular expression without backtracking: the first position at which a piece matches is the best one."""
    pieces = [""]
    for escaped, several, one, plain in _PIECE.findall(pattern):
        if several:
            pieces.append("")
        else:
            pieces[-1] += "." if one else re.escape(escaped or plain)
    first, *rest = pieces
    if not rest:
        return re.compile(first, re.DOTALL)
    *middle, last = rest
    return re.compile(first + "".join(f"(?>.*?{piece})" for piece in middle) + ".*" + last, re.DOTALL)
