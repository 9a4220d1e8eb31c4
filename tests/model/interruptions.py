"""What happens at a named crash point of the product: nothing, a death, or something else in between."""

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from gristmill.ingress.accepting import write
from gristmill.shared.dead_letters import redrive
from gristmill.shared.jobs import final_move
from gristmill.workers.celery import beat
from gristmill.workers.execute import attempt, bundles, outside, settle
from gristmill.workers.relay import loop as relay
from gristmill.workers.repair import reconciler, recorder

MODULES = (
    final_move,
    redrive,
    write,
    attempt,
    beat,
    bundles,
    outside,
    reconciler,
    recorder,
    relay,
    settle,
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
