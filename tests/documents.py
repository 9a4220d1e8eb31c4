"""Read the project's Markdown: its sentences, code spans, tables, links and anchors."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[1]
_FENCE = re.compile(r"^( *)```.*?^\1```", re.MULTILINE | re.DOTALL)
_BLOCK_START = re.compile(r"^\s*(?:[-*+]\s|\d+\.\s|#{1,6}\s|>)")
_MARKER = re.compile(r"^\s*(?:[-*+]|\d+\.|#{1,6}|>+)\s+")
_SENTENCE_END = re.compile(r"[.!?](?=\s|$)")


def documents() -> list[Path]:
    """Return every page that people read, by path; the changelog is history, in which old names stay."""
    folders = (ROOT / name for name in ("docs", "deploy", "examples"))
    pages = (page for folder in folders for page in folder.rglob("*.md"))
    return sorted([ROOT / "README.md", ROOT / "CONTRIBUTING.md", *pages])


def prose(text: str) -> str:
    """Return a page without its blocks of code; lines keep their numbers."""
    return _FENCE.sub(lambda block: "\n" * block[0].count("\n"), text)


def sentences(text: str) -> Iterator[str]:
    """Yield the sentences of a page: a heading, an item of a list and a cell of a table end one, too."""
    for block in _blocks(prose(text)):
        yield from (each.strip() for each in _SENTENCE_END.split(block) if each.strip())


def _blocks(text: str) -> Iterator[str]:
    block: list[str] = []
    for line in text.splitlines():
        is_row = line.lstrip().startswith("|")
        if is_row or not line.strip() or _BLOCK_START.match(line):
            yield " ".join(block)
            block = []
        if is_row:
            yield from cells(line)
        else:
            block.append(_MARKER.sub("", line).strip())
            if line.startswith("#"):
                yield " ".join(block)
                block = []
    yield " ".join(block)


def cells(row: str) -> list[str]:
    """Return the cells of one row of a table."""
    return [cell.strip() for cell in re.split(r"(?<!\\)\|", row.strip().strip("|"))]


def rows(text: str) -> Iterator[list[str]]:
    """Yield the rows of all tables of a page, without their headings."""
    for table in re.findall(r"(?:^\|.*\n?)+", prose(text), re.MULTILINE):
        yield from (cells(line) for line in table.splitlines()[2:])


def code_spans(text: str) -> list[str]:
    """Return what stands between backticks in the text of a page."""
    return re.findall(r"`([^`\n]+)`", prose(text))


def links(text: str) -> list[str]:
    """Return the targets of a page's links that lead into the project."""
    targets = re.findall(r"\[[^\]]*\]\(([^)\s]+)\)", prose(text))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]


def anchors(text: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#{1,6} (.+)$", prose(text), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
