"""Programs are started so that they cannot outlive us, and stopped within a deadline."""

import os
import signal
import socket
import subprocess
import sys
import threading
from contextlib import closing, suppress
from pathlib import Path

import psutil
import pytest

from gristmill import ports, process
from tests.eventually import eventually
from tests.processes import all_have_ended, has_ended


def test_a_taken_port_names_its_holder_and_the_setting() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        port = listener.getsockname()[1]
        with pytest.raises(ports.PortInUseError) as caught:
            ports.require_free(port, setting="GRISTMILL_PORT")
    assert f"(pid {os.getpid()}): set GRISTMILL_PORT to another" in str(caught.value)


def test_a_child_outlives_the_thread_that_started_it() -> None:
    started: list[process.Process] = []
    thread = threading.Thread(
        target=lambda: started.append(process.spawn(["sleep", "60"], env=process.plain_environment()))
    )
    thread.start()
    thread.join(timeout=60)
    child = psutil.Process(started[0].pid)
    try:
        eventually(lambda: child.name() == "sleep")
        assert started[0].poll() is None
    finally:
        process.stop(started[0])


def test_a_child_that_does_not_listen_is_killed_with_its_group() -> None:
    script = "trap '' TERM; sleep 60 & echo; wait; sleep 60"
    stubborn = process.spawn(["sh", "-c", script], env=process.plain_environment())
    assert stubborn.stdout is not None
    stubborn.stdout.readline()
    processes = [psutil.Process(stubborn.pid), *psutil.Process(stubborn.pid).children(recursive=True)]
    assert len(processes) == 2

    assert process.stop(stubborn, deadline_seconds=0.2) == -signal.SIGKILL

    eventually(lambda: all_have_ended(processes))


def test_a_paused_helper_hears_of_the_end_of_its_program_whether_or_not_that_is_paused_yet() -> None:
    helper = "import sys; print(flush=True); sys.stdin.read()"
    program = f"""
from subprocess import PIPE, Popen
import sys
Popen([sys.executable, "-c", {helper!r}], stdin=PIPE, start_new_session=True).wait()
"""
    running = process.spawn([sys.executable, "-c", program], env=process.plain_environment())
    assert running.stdout is not None
    running.stdout.readline()
    [paused] = psutil.Process(running.pid).children()
    paused.suspend()

    process.stop(running, signal.SIGKILL)

    eventually(lambda: has_ended(paused))


def test_what_a_process_forks_dies_with_it() -> None:
    program = """
import os, signal
from gristmill.shared.base import die_with_parent
die_with_parent.apply_to_forks()
if os.fork():
    signal.pause()
print(os.getpid(), flush=True)
signal.pause()
"""
    maker = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE)
    assert maker.stdout is not None
    with maker.stdout:
        forked = psutil.Process(int(maker.stdout.readline()))
    maker.kill()
    maker.wait()
    try:
        eventually(lambda: has_ended(forked))
    finally:
        with suppress(psutil.NoSuchProcess):
            forked.kill()


def test_a_program_that_cannot_be_run_says_so(tmp_path: Path) -> None:
    log = tmp_path / "log"
    missing = process.spawn(["no-such-program"], env=process.plain_environment(), log=log)
    with pytest.raises(process.ServiceFailedError, match="cannot run no-such-program"):
        process.wait_until_ready("it", missing, lambda: False, log=log, deadline_seconds=60)
