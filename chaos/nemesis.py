"""Carry out a plan: two lanes side by side, each one fault after the other, until the time is over."""

from __future__ import annotations

import random
import threading
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Final, TextIO

from chaos.faults import FAULTS, Arena, Blow

if TYPE_CHECKING:
    from chaos.plan import Fault

LAST_SECONDS: Final = 90.0  # that a fault may take to end what it began, such as starting a server on a busy machine


class Nemesis:
    """Does what the plan says.

    Args:
        plan: the faults of each lane, in order.
        arena: what it may reach.
        diary: where each fault is written down, with its time and what it hit.
    """

    def __init__(self, plan: Mapping[str, Sequence[Fault]], arena: Arena, diary: TextIO) -> None:
        self._arena, self._diary = arena, diary
        self._began = time.monotonic()
        self.done: Counter[str] = Counter()
        self.missed: Counter[str] = Counter()
        self._lanes = [
            threading.Thread(target=self._run, args=(faults,), name=lane, daemon=True) for lane, faults in plan.items()
        ]

    def start(self) -> None:
        """Begin."""
        self._began = time.monotonic()
        for lane in self._lanes:
            lane.start()

    def stop(self) -> None:
        """Begin nothing new, and return when what was begun is ended."""
        self._arena.healing.set()
        ends_at = time.monotonic() + LAST_SECONDS
        for lane in self._lanes:
            if lane.is_alive():
                lane.join(max(0.0, ends_at - time.monotonic()))

    def _run(self, faults: Sequence[Fault]) -> None:
        for fault in faults:
            self._arena.wait(fault.gap)
            if self._arena.healing.is_set():
                return
            self._note(fault.kind, "begins")
            chance = random.Random(fault.seed)
            try:
                hit = FAULTS[fault.kind](Blow(self._arena, chance, fault.seconds))
            except Exception as error:  # noqa: BLE001  its target was away, which the other lane may have caused
                self.missed[fault.kind] += 1
                self._note(fault.kind, f"missed: {type(error).__name__}: {error}".splitlines()[0])
            else:
                self.done[fault.kind] += 1
                self._note(fault.kind, f"hit {hit}")

    def _note(self, kind: str, text: str) -> None:
        self._diary.write(f"{time.strftime('%H:%M:%S')} {time.monotonic() - self._began:6.2f} s  {kind}: {text}\n")
        self._diary.flush()
