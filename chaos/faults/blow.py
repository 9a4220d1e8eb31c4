"""The arguments of a fault: the processes in reach, the source of its choices, and its length."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from chaos.network import Network
from chaos.programs import Programs
from chaos.servers import Servers


@dataclass(slots=True)
class Arena:
    """The servers and processes in reach of the nemesis."""

    servers: Servers
    programs: Programs
    network: Network
    healing: threading.Event = field(default_factory=threading.Event)

    def wait(self, seconds: float) -> None:
        """Let a fault last, but not beyond the end of the chaos."""
        self.healing.wait(seconds)


@dataclass(frozen=True, slots=True)
class Blow:
    """One fault as it happens: what it may use to choose, and how long it lasts."""

    arena: Arena
    chance: random.Random
    seconds: float

    def choose(self, beginning: str) -> str:
        """Choose one of the processes whose names begin so."""
        return self.chance.choice(self.arena.programs.names(beginning))


Act = Callable[[Blow], str]  # returns what was hit
