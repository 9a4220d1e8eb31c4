"""The supervisor, with small real processes."""

import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from gristmill.up.supervisor import Stage, Supervisor, wait_after
from gristmill.up.unit import Program
from tests.eventually import eventually

SLEEPS = "import time; print('here', flush=True); time.sleep(600)"
DEAF = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('here', flush=True); time.sleep(600)"
DRAINS = """
import signal, sys, time
from pathlib import Path
asked = []
signal.signal(signal.SIGTERM, lambda *_: asked.append(1) or print("asked to end", flush=True))
print("here", flush=True)
while not (asked and Path({go!r}).exists()):
    time.sleep(0.01)
Path({done!r}).touch()
"""
ENDS = "print('[error    ] no more grist'); raise SystemExit(3)"
WITH_CHILD = (
    "import subprocess, sys, time; "
    "child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(600)']); "
    "print('child', child.pid, flush=True); time.sleep(600)"
)

Make = Callable[..., Program]


@pytest.fixture
def said() -> list[tuple[str, str]]:
    return []


@pytest.fixture
def supervisor(said: list[tuple[str, str]]) -> Iterator[Supervisor]:
    made = Supervisor(lambda name, text: said.append((name, text)), backoff=lambda _: 0.0)
    yield made
    made.stop([], within=2)


@pytest.fixture
def make(tmp_path: Path, supervisor: Supervisor, said: list[tuple[str, str]]) -> Make:
    def start(name: str, code: str) -> Program:
        program = Program(
            name,
            [sys.executable, "-c", code],
            env=dict(os.environ),
            logs=tmp_path,
            report=lambda who, text: said.append((who, text)),
        )
        program.start()
        supervisor.add(program)
        return program

    return start


def pid_of(program: Program) -> int:
    assert program.pid is not None
    return program.pid


def has_started(program: Program) -> bool:
    return program.log.exists() and "here" in program.log.read_text()


def test_a_process_that_dies_is_started_again(make: Make, supervisor: Supervisor, said: list[tuple[str, str]]) -> None:
    mill = make("mill", SLEEPS)
    first = pid_of(mill)
    os.kill(first, signal.SIGKILL)
    eventually(lambda: not mill.is_running())

    def runs_again() -> bool:
        supervisor.tick()
        return mill.is_running() and mill.pid != first

    eventually(runs_again)
    eventually(lambda: ("mill", "runs again") in said)
    assert "was ended by SIGKILL" in said[0][1]
    assert str(mill.log) in said[0][1]


def test_the_end_of_a_dead_process_s_log_is_shown(
    make: Make, supervisor: Supervisor, said: list[tuple[str, str]]
) -> None:
    mill = make("mill", ENDS)
    eventually(lambda: not mill.is_running())
    supervisor.tick()
    lines = [text for _, text in said]
    assert any("ended with exit code 3" in line for line in lines)
    assert any("no more grist" in line for line in lines)


def test_the_waits_before_a_restart_grow_up_to_half_a_minute() -> None:
    assert [wait_after(deaths) for deaths in range(1, 8)] == [1, 2, 4, 8, 16, 30, 30]


def test_a_process_waits_for_its_restart_until_the_time_has_come(tmp_path: Path, said: list[tuple[str, str]]) -> None:
    clock = [0.0]
    supervisor = Supervisor(lambda name, text: said.append((name, text)), now=lambda: clock[0])
    mill = Program("mill", [sys.executable, "-c", ENDS], env={}, logs=tmp_path, report=lambda *_: None)
    mill.start()
    supervisor.add(mill)
    first = mill.pid
    eventually(lambda: not mill.is_running())
    supervisor.tick()
    supervisor.tick()
    assert mill.pid == first
    clock[0] = 1.0
    supervisor.tick()
    eventually(lambda: mill.pid != first)
    supervisor.stop([], within=2)
    assert supervisor.deaths("mill") == 1


def test_warnings_of_a_process_are_said_and_the_rest_only_logged(make: Make, said: list[tuple[str, str]]) -> None:
    code = "print('2026-01-01T00:00:00Z [info     ] fine'); print('2026-01-01T00:00:00Z [warning  ] not fine')"
    mill = make("mill", code)
    eventually(lambda: said)
    assert [text for _, text in said] == ["2026-01-01T00:00:00Z [warning  ] not fine"]
    eventually(lambda: mill.log.read_text().count("fine") == 2)
    assert mill.log.stat().st_mode & 0o777 == 0o600


def test_a_process_is_stopped_with_its_children(make: Make, supervisor: Supervisor) -> None:
    mill = make("mill", WITH_CHILD)
    text = eventually(lambda: mill.log.read_text().strip())
    child = psutil.Process(int(text.split()[1]))
    supervisor.stop([], within=5)
    assert not mill.is_running()
    eventually(lambda: not child.is_running() or child.status() == psutil.STATUS_ZOMBIE)


def test_stages_end_one_after_another(make: Make, supervisor: Supervisor) -> None:
    first, second = make("first", SLEEPS), make("second", SLEEPS)
    order: list[str] = []
    for program in (first, second):
        stop = program.stop

        def note(seconds: float, *, name: str = program.name, stop: Callable[[float], None] = stop) -> None:
            stop(seconds)
            order.append(name)

        program.stop = note  # type: ignore[method-assign, assignment]  # observed, not replaced
    supervisor.stop([Stage(frozenset({"second"}), 2), Stage(frozenset({"first"}), 2)], within=5)
    assert order == ["second", "first"]
    assert not first.is_running()
    assert not second.is_running()


def test_a_process_that_does_not_listen_is_killed_when_its_share_is_used_up(make: Make, supervisor: Supervisor) -> None:
    deaf = make("deaf", DEAF)
    eventually(lambda: has_started(deaf))
    supervisor.stop([Stage(frozenset({"deaf"}), 0.3)], within=5)
    assert not deaf.is_running()
    assert deaf.ended_with() == "was ended by SIGKILL"


def test_nothing_is_started_again_once_the_end_was_asked_for(make: Make, supervisor: Supervisor) -> None:
    mill = make("mill", SLEEPS)
    supervisor.kill()
    eventually(lambda: not mill.is_running())
    supervisor.tick()
    assert not mill.is_running()
    assert supervisor.deaths("mill") == 0


def test_a_process_started_from_a_thread_outlives_the_thread(make: Make) -> None:
    started: list[Program] = []
    thread = threading.Thread(target=lambda: started.append(make("mill", SLEEPS)))
    thread.start()
    thread.join()
    eventually(lambda: has_started(started[0]))
    assert started[0].is_running()


def test_a_program_that_is_replaced_finishes_what_it_does(make: Make, supervisor: Supervisor, tmp_path: Path) -> None:
    old = make("mill", DRAINS.format(go=str(tmp_path / "go"), done=str(tmp_path / "done")))
    eventually(lambda: has_started(old))
    new = Program("mill", [sys.executable, "-c", SLEEPS], env=dict(os.environ), logs=tmp_path, report=lambda *_: None)
    new.start()
    supervisor.replace(new)
    eventually(lambda: "asked to end" in old.log.read_text())
    supervisor.tick()
    assert supervisor.units == [new]
    assert supervisor.everything == [new, old]
    assert (old.is_running(), supervisor.retired("mill")) == (True, 1)
    (tmp_path / "go").touch()
    eventually(lambda: not old.is_running())
    supervisor.tick()
    assert (tmp_path / "done").exists()
    assert (new.is_running(), supervisor.retired("mill")) == (True, 0)
    assert supervisor.deaths("mill") == 0


def test_a_program_that_still_finishes_its_work_is_ended_with_the_others(make: Make, supervisor: Supervisor) -> None:
    deaf = make("mill", DEAF)
    eventually(lambda: has_started(deaf))
    supervisor.remove("mill")
    assert (supervisor.units, supervisor.retired("mill")) == ([], 1)
    supervisor.stop([Stage(frozenset({"mill"}), 0.3)], within=5)
    assert deaf.ended_with() == "was ended by SIGKILL"
