"""What happens at a named crash point of the product: nothing, a death, or something else in between."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

import ingress.flush
import shared.crashpoints
import shared.queries.ends
import shared.redrive
import workers.beat
import workers.executor
import workers.reconciler
import workers.recorder
import workers.relay
import workers.settle

MODULES = (
    shared.queries.ends,
    shared.redrive,
    ingress.flush,
    workers.beat,
    workers.executor,
    workers.reconciler,
    workers.recorder,
    workers.relay,
    workers.settle,
)


class Crash(BaseException):
    """The death of a process: no `except Exception` of the product sees it, and its transaction is rolled back."""


@dataclass
class Interruptions:
    """What is to happen at which point, once."""

    planned: dict[str, Callable[[], None]] = field(default_factory=dict)
    happened: set[str] = field(default_factory=set)

    def install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        for module in MODULES:
            if hasattr(module, "crash_point"):
                monkeypatch.setattr(module, "crash_point", self.reach)

    def plan(self, point: str | None, action: Callable[[], None]) -> None:
        self.planned.clear()
        if point is not None:
            self.planned[point] = action

    def reach(self, point: str) -> None:
        action = self.planned.pop(point, None)
        if action is not None:
            self.happened.add(point)
            action()


def die() -> None:
    raise Crash
