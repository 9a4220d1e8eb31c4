"""The plan of the nemesis: faults and their times, decided by the seed alone, before anything starts."""

from __future__ import annotations

import random
from dataclasses import dataclass
from typing import Final

GAPS: Final = {"processes": (0.3, 1.5), "servers": (0.5, 2.0)}  # seconds of peace between two faults of a lane
LENGTHS: Final = (1.0, 3.0)  # seconds that a fault lasts which has a length
FIRST: Final = 1.0  # seconds of work before the first fault

# Kinds by lane; a number says how often one is in the deck. Each lane does one thing at a time, so that at most two
# faults come together; a kind comes again only when all of its lane have come.
PROCESSES: Final = {
    "kill web": 2,
    "kill relay": 2,
    "kill worker": 2,
    "kill worker child": 3,
    "kill beat": 1,
    "kill maintenance": 2,
    "terminate process": 2,
    "pause worker": 2,
    "pause relay": 1,
    "pause maintenance": 1,
    "terminate backends": 4,
    "close broker connections": 2,
    "purge queue": 2,
    "delete queue": 2,
}
SERVERS: Final = {
    "pause postgres": 1,
    "pause broker": 1,
    "restart postgres": 1,
    "crash postgres": 1,
    "kill postgres": 1,
    "kill postgres backend": 1,
    "restart broker": 1,
    "kill broker": 1,
    "postgres: cut": 1,
    "postgres: cut at commit": 2,
    "postgres: delay": 1,
    "postgres: freeze": 1,
    "postgres: black-hole": 1,
    "postgres: refuse": 1,
    "broker: cut": 1,
    "broker: delay": 1,
    "broker: freeze": 1,
    "broker: black-hole": 1,
    "broker: refuse": 1,
    "web: cut": 1,
    "web: black-hole": 1,
}
ONLY: Final = {
    "rabbitmq": {"pause valkey": 1, "kill valkey": 1, "redis: black-hole": 1},
    "valkey": {"flush broker": 1},
}


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing the nemesis does.

    Args:
        lane: faults of one lane come one after the other.
        gap: seconds of peace before it.
        seconds: how long it lasts, if its kind has a length.
        seed: of what it chooses when it comes.
    """

    lane: str
    kind: str
    gap: float
    seconds: float
    seed: int

    def __str__(self) -> str:
        return f"{self.lane:<10} after {self.gap:.1f} s: {self.kind} ({self.seconds:.1f} s)"


def make_plan(seed: int, seconds: float, broker: str) -> dict[str, list[Fault]]:
    """Return the faults of each lane, more than `seconds` can hold: what is late comes late, in the same order."""
    decks = {"processes": PROCESSES, "servers": SERVERS | ONLY[broker]}
    return {lane: _deal(lane, deck, seed, seconds) for lane, deck in decks.items()}


def _deal(lane: str, deck: dict[str, int], seed: int, seconds: float) -> list[Fault]:
    chance = random.Random(f"{seed}/{lane}")
    faults: list[Fault] = []
    planned, cards = 0.0, list[str]()
    while planned < seconds:
        if not cards:
            cards = [kind for kind, count in deck.items() for _ in range(count)]
            chance.shuffle(cards)
        gap = chance.uniform(*GAPS[lane]) if faults else FIRST
        fault = Fault(lane, cards.pop(), round(gap, 2), round(chance.uniform(*LENGTHS), 2), chance.getrandbits(32))
        faults.append(fault)
        planned += fault.gap
    return faults
