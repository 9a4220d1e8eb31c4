"""Supervise units: restart those that die, with a growing delay, and stop all of them in order."""

import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

from gristmill import process
from gristmill.up.unit import Program, ReportLine, Unit

SHORTEST_WAIT: Final = 1.0  # seconds before a unit that died is started again; doubled at each death in a row
LONGEST_WAIT: Final = 30.0
_FORGIVEN_AFTER: Final = 60.0  # seconds of running after which its earlier deaths no longer count
_LEAST_SECONDS: Final = 0.2  # even a late stage gets this long after its signal
_SHOWN_LINES: Final = 5  # of a dead unit's log


@dataclass
class _Supervised:
    unit: Unit
    deaths: int = 0
    started_at: float = 0.0
    restart_at: float | None = None
    starting: threading.Thread | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Stage:
    """Units that are stopped together, and how long they may take for it."""

    names: frozenset[str]
    seconds: float


class Supervisor:
    """Keeps units running that have been started.

    Args:
        report: Called with a unit's name and a line about it.
        now: A clock of seconds that never goes back.
        backoff: The wait before a unit is started again, by the number of its deaths in a row.
    """

    def __init__(
        self,
        report: ReportLine,
        *,
        now: Callable[[], float] = time.monotonic,
        backoff: Callable[[int], float] | None = None,
    ) -> None:
        self._report = report
        self._now = now
        self._backoff = backoff or wait_after
        self._supervised: dict[str, _Supervised] = {}
        self._retired: list[Program] = []
        self._stopping = threading.Event()

    def add(self, unit: Unit) -> None:
        """Supervise a unit that has been started."""
        self._supervised[unit.name] = _Supervised(unit, started_at=self._now())

    def replace(self, unit: Program) -> None:
        """Supervise a program that has been started, in the place of the one of its name, which is retired."""
        self.remove(unit.name)
        self.add(unit)

    def remove(self, name: str) -> None:
        """Supervise a program no more, and retire it."""
        removed = self._supervised.pop(name, None)
        if removed is None or not isinstance(removed.unit, Program):
            return
        if removed.starting is not None:
            removed.starting.join(_LEAST_SECONDS)
        self.retire(removed.unit)

    def retire(self, program: Program) -> None:
        """Ask a program to end. It finishes what it does, and is killed only when everything stops."""
        self._retired.append(program)
        program.drain()

    def retired(self, name: str) -> int:
        """Return how many programs of this name still finish what they do."""
        return sum(program.name == name for program in self._retired)

    @property
    def units(self) -> list[Unit]:
        """All units, in the order in which they were added."""
        return [each.unit for each in self._supervised.values()]

    @property
    def everything(self) -> list[Unit]:
        """All units, those too that were retired and still finish what they do."""
        return [*self.units, *self._retired]

    def deaths(self, name: str) -> int:
        """Return the number of times a unit died since it last ran for a minute."""
        return self._supervised[name].deaths

    def tick(self) -> None:
        """Check every unit once: note those that have died, restart those whose delay is over."""
        if self._stopping.is_set():
            return
        for each in list(self._supervised.values()):
            if each.starting is not None and each.starting.is_alive():
                continue
            if each.restart_at is not None:
                if self._now() >= each.restart_at:
                    self._restart(each)
            elif not each.unit.is_running():
                self._note_death(each, each.unit.ended_with())
        for program in [each for each in self._retired if not each.is_running()]:
            self._retired.remove(program)
            program.stop(_LEAST_SECONDS)

    def stop(self, stages: Sequence[Stage], *, within: float) -> None:
        """Stop all units, one stage after another, those of a stage at the same time.

        Args:
            stages: In their order; a unit that is in none is stopped last.
            within: Seconds for all of it; what a stage does not use, the later ones may.
        """
        self._stopping.set()
        ends_at = self._now() + within
        left = [*self._supervised.values(), *map(_Supervised, self._retired)]
        for stage in stages:
            group = [each for each in left if each.unit.name in stage.names]
            left = [each for each in left if each.unit.name not in stage.names]
            self._stop_together(group, max(_LEAST_SECONDS, min(stage.seconds, ends_at - self._now())))
        self._stop_together(left, max(_LEAST_SECONDS, ends_at - self._now()))

    def kill(self) -> None:
        """Kill everything immediately."""
        self._stopping.set()
        for unit in self.everything:
            unit.kill()

    def _note_death(self, each: _Supervised, how: str) -> None:
        if self._now() - each.started_at > _FORGIVEN_AFTER:
            each.deaths = 0
        each.deaths += 1
        wait = self._backoff(each.deaths)
        each.restart_at = self._now() + wait
        each.unit.stop(_LEAST_SECONDS)  # what is left of it: children, the pipe of its output
        self._report(each.unit.name, f"{how}; it is started again in {wait:g} s. Its log: {each.unit.log}")
        for line in process.tail(each.unit.log, _SHOWN_LINES).splitlines():
            self._report(each.unit.name, f"  {line}")

    def _restart(self, each: _Supervised) -> None:
        each.restart_at = None
        each.started_at = self._now()
        # In a thread, because a server takes seconds to start, in which the others have to be checked.
        each.starting = threading.Thread(target=self._start, args=(each,), name=f"start-{each.unit.name}", daemon=True)
        each.starting.start()

    def _start(self, each: _Supervised) -> None:
        try:
            each.unit.start()
        except Exception as error:  # noqa: BLE001  whatever it is, the next try comes after a longer wait
            if not self._stopping.is_set():
                self._note_death(each, f"could not be started: {error}")
        else:
            if self._stopping.is_set():
                each.unit.kill()
            elif isinstance(each.unit, Program) and each.unit in self._retired:
                each.unit.drain()  # it was retired while it started
            else:
                self._report(each.unit.name, "runs again")

    def _stop_together(self, group: Sequence[_Supervised], seconds: float) -> None:
        threads = [threading.Thread(target=self._stop_one, args=(each, seconds), daemon=True) for each in group]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(seconds + 1)

    def _stop_one(self, each: _Supervised, seconds: float) -> None:
        if each.starting is not None:
            each.starting.join(seconds)
        ran = each.unit.is_running()
        with suppress(OSError):
            each.unit.stop(seconds)
        if ran and "SIGKILL" in each.unit.ended_with():
            self._report(each.unit.name, f"did not end within {seconds:.1f} s and was killed, which loses nothing")


def wait_after(deaths: int) -> float:
    """Return the seconds to wait after so many deaths in a row: 1, 2, 4 … 30."""
    return float(min(LONGEST_WAIT, SHORTEST_WAIT * 2 ** (deaths - 1)))
