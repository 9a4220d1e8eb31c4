"""A reload, with small real processes in place of the platform's."""

import json
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from gristmill.up import reload
from gristmill.up.changed_files import ChangedFiles
from gristmill.up.launcher import Launcher
from gristmill.up.reload import Reload
from gristmill.up.supervisor import Supervisor
from gristmill.up.terminal import Terminal
from gristmill.up.unit import Program
from tests.eventually import eventually

WORKS = "import os, pathlib, time; pathlib.Path(os.environ['GRISTMILL_READY_FILE']).touch(); time.sleep(600)"
DIES = "print('[error    ] no grist'); raise SystemExit(3)"
ANSWERS = "import pathlib, sys; pathlib.Path({file!r}).write_text({text!r}); sys.exit({code})"


@dataclass(frozen=True, slots=True, kw_only=True)
class Small(Launcher):
    """Makes programs that do nothing, or die."""

    broken: set[str] = field(default_factory=set)

    def make(self, name: str, arguments: Sequence[str]) -> Program:
        command = [sys.executable, "-c", DIES if name in self.broken else WORKS, *arguments]
        return Program(name, command, env=self.env, logs=self.logs, report=self.report)


class Saved(ChangedFiles):
    """Tells of a save when the test says so."""

    def __init__(self) -> None:
        self.changed: list[Path] = []

    @property
    def is_complete(self) -> bool:
        return True

    def find(self) -> list[Path]:
        changed, self.changed = self.changed, []
        return changed


@dataclass
class Scene:
    """An `up` with two workers."""

    supervisor: Supervisor
    launcher: Small
    files: Saved
    reload: Reload
    capture: pytest.CaptureFixture[str]
    monkeypatch: pytest.MonkeyPatch
    said: str = ""
    answering: bool = True

    def save(self, workers: Sequence[str], *, code: int = 0) -> None:
        """Save a file; the check of the plugins will find these workers, or fail."""
        text = json.dumps(dict.fromkeys(workers, 1))
        answer = ANSWERS.format(file=str(self.launcher.logs / ".reload.json"), text=text, code=code)
        self.monkeypatch.setattr(reload, "python_module", lambda *_: [sys.executable, "-c", answer])
        self.files.changed = [Path("shop/jobs.py")]

    def tick_until(self, text: str) -> None:
        def is_said() -> bool:
            self.supervisor.tick()
            self.reload.tick()
            self.said += self.capture.readouterr().out
            return text in self.said

        eventually(is_said)

    def pids(self) -> dict[str, int | None]:
        return {unit.name: unit.pid for unit in self.supervisor.units if isinstance(unit, Program)}


@pytest.fixture
def scene(tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    supervisor = Supervisor(lambda *_: None, backoff=lambda _: 60.0)
    launcher = Small(env=dict(os.environ), logs=tmp_path, report=lambda *_: None)
    for name in ("web", "relay", "worker_a", "worker_b", "beat", "maintenance"):
        program = launcher.make(name, [])
        program.start()
        supervisor.add(program)
    files = Saved()
    answers: Callable[[], bool] = lambda: made.answering  # noqa: E731  made follows
    reloading = Reload(files, launcher, supervisor, Terminal(), answers)
    made = Scene(supervisor, launcher, files, reloading, capsys, monkeypatch)
    yield made
    made.reload.stop()
    supervisor.stop([], within=5)


def test_everything_is_replaced_and_a_worker_that_is_no_longer_planned_is_gone(scene: Scene) -> None:
    before = scene.pids()
    scene.save(["a_queue", "c_queue"])
    scene.tick_until("Reloaded in ")
    after = scene.pids()
    assert after.keys() == {"web", "relay", "worker_a", "worker_c", "beat", "maintenance"}
    assert not {*before.values()} & {*after.values()}
    assert not scene.reload.is_busy


def test_when_the_check_fails_nothing_is_touched(scene: Scene) -> None:
    before = scene.pids()
    scene.save(["a_queue"], code=1)
    scene.tick_until("Not reloaded, and what ran before still runs: shop/jobs.py")
    assert scene.pids() == before


def test_when_a_new_process_dies_the_present_ones_go_on_and_the_next_save_is_taken_up(scene: Scene) -> None:
    before = scene.pids()
    scene.launcher.broken.add("worker_c")
    scene.save(["a_queue", "b_queue", "c_queue"])
    scene.tick_until("worker_c did not start")
    assert "no grist" in scene.said
    assert scene.pids() == before
    assert all(unit.is_running() for unit in scene.supervisor.units)
    scene.launcher.broken.clear()
    scene.save(["a_queue", "b_queue", "c_queue"])
    scene.tick_until("Reloaded in ")
    assert "worker_c" in scene.pids()


def test_an_ingress_that_dies_after_its_reload_does_not_keep_the_next_one_from_beginning(scene: Scene) -> None:
    scene.answering = False
    scene.launcher.broken.add("web")
    scene.save(["a_queue", "b_queue"])
    scene.tick_until("web does not answer after the reload: see ")
    scene.launcher.broken.clear()
    scene.answering = True
    scene.save(["a_queue", "b_queue"])
    scene.tick_until("Reloaded in ")
    assert all(unit.is_running() for unit in scene.supervisor.units)


def test_a_program_that_cannot_be_started_ends_the_reload_and_not_the_platform(scene: Scene) -> None:
    scene.save(["a_queue"])
    before = scene.pids()
    (scene.launcher.logs / "reload.log").mkdir()
    scene.tick_until("Not reloaded: ")
    assert scene.pids() == before
    assert not scene.reload.is_busy


def test_what_was_started_and_is_not_in_its_place_yet_is_stopped_with_the_rest(scene: Scene) -> None:
    scene.launcher.broken.add("worker_c")
    scene.save(["a_queue", "c_queue"])
    while not scene.reload.is_busy:
        scene.reload.tick()

    def has_started() -> bool:
        scene.reload.tick()
        return bool(scene.reload._fresh)

    eventually(has_started)
    fresh = list(scene.reload._fresh)
    scene.reload.stop()
    scene.supervisor.stop([], within=5)
    assert not any(program.is_running() for program in fresh)
