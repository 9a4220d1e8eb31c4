"""Replace the processes of `up` when files of the project change: workers are drained, and a mistake stops nothing."""

import json
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from importlib.util import cache_from_source
from pathlib import Path
from typing import Final

from gristmill import process
from gristmill.children import gristmill_command, python_module
from gristmill.up.changed_files import MOST_FILES, ChangedFiles
from gristmill.up.launcher import Launcher
from gristmill.up.plan import WORKER_PREFIX, programs
from gristmill.up.supervisor import Supervisor
from gristmill.up.terminal import Terminal
from gristmill.up.unit import Program

MOST_RETIRED: Final = 2  # programs of one name that still finish their work; the next reload waits for one of them
STEP_SECONDS: Final = 120.0  # for loading the plugins, for the migrations, and for the start of the processes
WEB_SECONDS: Final = 40.0  # for the ingress to finish its requests, of which it has 25
_SHOWN_LINES: Final = 20  # of what went wrong
_LAST: Final = frozenset({"web", "beat", "maintenance"})  # replaced when the rest is in its place
_STEPS_END: Final = object()

Steps = Generator[None, None, bool]


class Reload:
    """Replaces our processes. It never waits: each call of `tick` takes the next step.

    Args:
        files: finds what has changed.
        launcher: makes the new processes.
        supervisor: has the present ones, and gets the new ones.
        terminal: gets a line for each reload.
        is_answering: says whether the API answers.
    """

    def __init__(
        self,
        files: ChangedFiles,
        launcher: Launcher,
        supervisor: Supervisor,
        terminal: Terminal,
        is_answering: Callable[[], bool],
    ) -> None:
        self._files = files
        self._launcher = launcher
        self._supervisor = supervisor
        self._terminal = terminal
        self._is_answering = is_answering
        self._log = launcher.logs / "reload.log"
        self._answer = launcher.logs / ".reload.json"  # a file, because a project's modules may print
        self._steps: Steps | None = None
        self._fresh: list[Program] = []
        if not files.is_complete:
            terminal.line(f"Reload sees {MOST_FILES} files of this project; a change of another one goes unnoticed")

    @property
    def is_busy(self) -> bool:
        """Say whether a reload is under way."""
        return self._steps is not None

    def tick(self) -> None:
        """Begin a reload when something has changed, or take the next step of the one that is under way."""
        if self._steps is None and (changed := self._files.find()):
            self._steps = self._reload(changed)
        try:
            if self._steps is not None and next(self._steps, _STEPS_END) is _STEPS_END:
                self._steps = None
        except OSError as error:  # no process or file to be had: what runs goes on, and so does `up`
            self._terminal.line(f"Not reloaded: {error}")
            self.stop()

    def stop(self) -> None:
        """Give up: what was started and supervised by nobody yet is left to the supervisor to stop."""
        self._steps = None
        self._retire_fresh()

    def _reload(self, changed: Sequence[Path]) -> Steps:
        yield from self._wait_for_room()
        began = time.monotonic()
        _forget_bytecode(changed)
        if not (yield from self._run(python_module("gristmill.up.check_plugins", self._answer, *changed))):
            return self._refuse(changed, process.tail(self._log, _SHOWN_LINES))
        workers = json.loads(self._answer.read_text(encoding="utf-8"))
        has_migrations = any(path.parent.name == "versions" for path in changed)
        if has_migrations and not (yield from self._run(gristmill_command("db", "upgrade"))):
            return self._refuse(changed, process.tail(self._log, _SHOWN_LINES))
        if not (yield from self._replace(workers)):
            return False
        self._terminal.line(f"Reloaded in {time.monotonic() - began:.1f} s: {_some_of(changed)}")
        return True

    def _refuse(self, changed: Sequence[Path], problem: str) -> bool:
        self._terminal.line(f"Not reloaded, and what ran before still runs: {_some_of(changed)}\n{problem}")
        return False

    def _wait_for_room(self) -> Steps:
        """Wait while programs of former reloads still work, so that a job of an hour does not pile them up."""
        said = False
        while full := [each.name for each in self._supervisor.units if self._is_full(each.name)]:
            if not said:
                self._terminal.line(f"The reload waits: {', '.join(full)} still finishes jobs of two former ones")
            said = True
            yield
        return True

    def _is_full(self, name: str) -> bool:
        return self._supervisor.retired(name) >= MOST_RETIRED

    def _run(self, command: Sequence[str]) -> Steps:
        """Run a command to its end, its output in a log file; return whether it succeeded."""
        self._log.unlink(missing_ok=True)
        running = process.spawn(command, env=self._launcher.env, log=self._log)
        ends_at = time.monotonic() + STEP_SECONDS
        while running.poll() is None:
            if time.monotonic() > ends_at:
                process.stop(running, deadline_seconds=1)
                with self._log.open("a", encoding="utf-8") as log:
                    log.write(f"It took longer than {STEP_SECONDS:g} s, and was ended: see {' '.join(command)}\n")
                return False
            yield
        return running.returncode == 0

    def _replace(self, workers: Mapping[str, int]) -> Steps:
        plan = programs(workers, flower=False)  # Flower loads nothing of a project
        self._fresh = [self._launcher.make(name, plan[name]) for name in plan if name not in _LAST]
        if not (yield from self._start_fresh()):
            return False
        for program in self._fresh:
            self._supervisor.replace(program)
        self._fresh = []
        for name in [unit.name for unit in self._supervisor.units if unit.name.startswith(WORKER_PREFIX)]:
            if name not in plan:
                self._supervisor.remove(name)
        return (yield from self._replace_last({name: plan[name] for name in _LAST}))

    def _start_fresh(self) -> Steps:
        """Start the new ones beside the present ones; return false, and retire them, if one of them does not work."""
        for program in self._fresh:
            program.start()
        ends_at = time.monotonic() + STEP_SECONDS
        while unready := [each for each in self._fresh if not _is_ready(each)]:
            ended = [each for each in self._fresh if not each.is_running()]
            if ended or time.monotonic() > ends_at:
                names = ", ".join(each.name for each in ended or unready)
                log = process.tail((ended or unready)[0].log, _SHOWN_LINES)
                self._terminal.line(f"Not reloaded, and what ran before still runs: {names} did not start\n{log}")
                self._retire_fresh()
                return False
            yield
        return True

    def _retire_fresh(self) -> None:
        for program in self._fresh:
            self._supervisor.retire(program)
        self._fresh = []

    def _replace_last(self, plan: Mapping[str, Sequence[str]]) -> Steps:
        """Replace those of which the new one is not awaited, and the ingress, which has to give its port back first."""
        for name, arguments in plan.items():
            self._supervisor.remove(name)
            if name != "web":
                self._start(name, arguments)
        ends_at = time.monotonic() + WEB_SECONDS
        while self._supervisor.retired("web") and time.monotonic() < ends_at:
            yield
        self._start("web", plan["web"])
        ends_at = time.monotonic() + STEP_SECONDS
        while not self._is_answering():  # should it die, the supervisor reports it and starts it again
            if self._supervisor.deaths("web") or time.monotonic() > ends_at:
                self._terminal.line(f"web does not answer after the reload: see {self._launcher.logs / 'web.log'}")
                return False
            yield
        return True

    def _start(self, name: str, arguments: Sequence[str]) -> None:
        program = self._launcher.make(name, arguments)
        program.start()
        self._supervisor.add(program)


def _is_ready(program: Program) -> bool:
    return program.is_ready() or (not program.name.startswith(WORKER_PREFIX) and program.is_running())


def _forget_bytecode(changed: Sequence[Path]) -> None:
    """Remove compiled files: Python tells a change by size and whole seconds, and two saves may share both."""
    for path in changed:
        if path.suffix == ".py":
            Path(cache_from_source(str(path.absolute()))).unlink(missing_ok=True)


def _some_of(changed: Sequence[Path], most: int = 3) -> str:
    names = ", ".join(str(path) for path in changed[:most])
    return names if len(changed) <= most else f"{names} and {len(changed) - most} more"
