"""Ports that are free, and given to one process only."""

import subprocess
import sys
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
