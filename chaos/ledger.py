"""The clients' own record of what they were promised: an append-only file, a JSON object a line."""

from __future__ import annotations

import json
import threading
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class LedgerWriter:
    """Appends what happened; safe to use from several threads."""

    def __init__(self, path: Path) -> None:
        self._file = path.open("a", encoding="utf-8")
        self._lock = threading.Lock()

    def write(self, event: str, key: str, **fields: Any) -> None:
        """Add a line, and hand it to the system at once."""
        with self._lock:
            self._file.write(json.dumps({"event": event, "key": key, **fields}) + "\n")
            self._file.flush()


@dataclass(slots=True)
class Entry:
    """A client's record of one job."""

    key: str
    kind: str
    task: str
    end: str
    ids: set[str] = field(default_factory=set)
    posts: int = 0
    refused: str | None = None

    @property
    def accepted(self) -> bool:
        """True once a 202 was seen."""
        return bool(self.ids)


def read_ledger(path: Path) -> dict[str, Entry]:
    """Return what the clients wrote, by key."""
    entries: dict[str, Entry] = {}
    for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
        written = json.loads(line)
        key = written["key"]
        if written["event"] == "wanted":
            entries[key] = Entry(key=key, kind=written["kind"], task=written["task"], end=written["end"])
        elif written["event"] == "accepted":
            entries[key].ids.add(written["id"])
            entries[key].posts += written["posts"]
        elif written["event"] == "refused":
            entries[key].refused = f"{written['status']}: {written['answer']}"
    return entries


def count_kinds(entries: dict[str, Entry]) -> Counter[str]:
    """Return how many jobs of each kind were accepted."""
    return Counter(entry.kind for entry in entries.values() if entry.accepted)
