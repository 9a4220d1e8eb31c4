"""Ports that are free, and given to one process only."""

import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from gristmill import ports

ROOT = Path(__file__).parents[3]
TAKES = """
import sys
from gristmill import ports
print(ports.free_port(), flush=True)
sys.stdin.read()
"""


def test_a_port_that_another_process_was_given_is_given_to_nobody_else_before_it_is_used(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    command = [sys.executable, "-c", TAKES]
    with subprocess.Popen(command, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        port = int(other.stdout.readline())
        monkeypatch.setattr(ports, "_RANGE", range(port, port + 1))
        assert ports.is_free(port)
        with pytest.raises(ports.PortInUseError):
            ports.free_port()
    assert ports.free_port() == port


def test_asking_whether_a_server_answers_does_not_take_its_port_in_the_moment_it_wants_it() -> None:
    port, over = ports.free_port(), threading.Event()

    def ask() -> None:
        while not over.is_set():
            ports.is_answered(port)

    asking = threading.Thread(target=ask)
    asking.start()
    try:
        for _ in range(2_000):
            socket.create_server((ports.LOOPBACK, port)).close()
    finally:
        over.set()
        asking.join(timeout=60)
