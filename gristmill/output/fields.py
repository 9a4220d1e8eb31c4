"""One thing, a line for each of its fields."""

from collections.abc import Mapping
from typing import Any

from gristmill.output.paper import Paper
from gristmill.output.values import text_of


def show_fields(shown: Mapping[str, Any], paper: Paper) -> list[str]:
    """Return the lines that show fields with values; a text of several lines stays one, below each other."""
    there = {name: value for name, value in shown.items() if value is not None and value not in ("", [], {})}
    width = max(map(len, there), default=0)
    lines = []
    for name, value in there.items():
        first, *more = [_harmless(line) for line in text_of(value).splitlines()] or [""]
        lines.append(f"{paper.paint(name.ljust(width), None, bold=True)}  {first}".rstrip())
        lines += [f"{'':{width}}  {line}".rstrip() for line in more]
    return lines


def _harmless(line: str) -> str:
    """Return a line without characters that would move a terminal's cursor."""
    spaced = line.replace("\t", "    ")
    return "".join(letter if letter.isprintable() else "\N{REPLACEMENT CHARACTER}" for letter in spaced)
