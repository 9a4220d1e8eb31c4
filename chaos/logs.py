"""Read the processes' logs: counts of events, and the errors that nobody expected."""

from __future__ import annotations

import json
import re
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_MESSAGE: Final = 100  # characters by which two errors are told to be the same
# What a killed child or a broker that is away makes Celery say.
_EXPECTED: Final = re.compile(r"Cannot connect to|WorkerLostError|Couldn't (ack|reject)")
_NUMBER: Final = re.compile(r"\d+")


@dataclass(slots=True)
class Told:
    """The events and errors in all logs of a run."""

    events: Counter[str] = field(default_factory=Counter)
    hints_again: int = 0
    errors: Counter[str] = field(default_factory=Counter)


def read_logs(folder: Path) -> Told:
    """Read every log in `folder`; lines that are no JSON (a traceback at a process's end) are counted as errors."""
    told = Told()
    for path in sorted(folder.glob("*.log*")):
        name = path.name.partition(".")[0].rstrip("-12")
        with path.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                _read(told, name, line)
    return told


def _read(told: Told, name: str, line: str) -> None:
    try:
        entry = json.loads(line)
        event = str(entry["event"])
    except (ValueError, KeyError, TypeError):
        if line.startswith("Traceback"):
            told.errors[f"{name}: a traceback outside of the log"] += 1
        return
    told.events[event] += 1
    if event == "hints.lost":
        told.hints_again += int(entry.get("hints", 1))
    if entry.get("level") in {"error", "critical"} and not _EXPECTED.search(event):
        told.errors[_NUMBER.sub("…", f"{name}: {event[:_MESSAGE]}".splitlines()[0])] += 1
