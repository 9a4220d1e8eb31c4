"""The options of a run, and its findings."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from uuid import UUID

from chaos.ledger import Entry
from chaos.logs import Told


@dataclass(slots=True)
class Verdict:
    """The findings of a run, each a pair: the fault, and the job's id or None."""

    jobs: int = 0
    by_state: Counter[str] = field(default_factory=Counter)
    lost: list[tuple[str, UUID | None]] = field(default_factory=list)
    twice: list[tuple[str, UUID | None]] = field(default_factory=list)
    unexpected: list[tuple[str, UUID | None]] = field(default_factory=list)
    effects: int = 0
    mails: int = 0
    mails_twice: int = 0
    fires: int = 0
    attempts_lost: int = 0
    crash_loops: set[UUID] = field(default_factory=set)

    @property
    def passed(self) -> bool:
        """True when the promise was kept."""
        return not (self.lost or self.twice or self.unexpected)


@dataclass(frozen=True, slots=True)
class Options:
    """The options of a run."""

    seed: int
    seconds: float
    broker: str
    clients: int
    rate: float


@dataclass(slots=True)
class Outcome:
    """All that a run found."""

    options: Options
    entries: dict[str, Entry] = field(default_factory=dict)
    verdict: Verdict = field(default_factory=Verdict)
    told: Told = field(default_factory=Told)
    faults: dict[str, int] = field(default_factory=dict)
    missed: dict[str, int] = field(default_factory=dict)
    restarts: dict[str, int] = field(default_factory=dict)
    own_ends: list[str] = field(default_factory=list)
    redelivered: int | None = None
    recovered: float | None = None
    traces: list[str] = field(default_factory=list)
