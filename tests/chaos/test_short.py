"""A short attack on the whole platform, with each broker: nothing accepted is lost, and nothing is done twice."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gristmill.up.environment import child_environment
from tests.conftest import require_rabbitmq

SECONDS = 15


@pytest.mark.timeout(600)
@pytest.mark.parametrize("broker", ["rabbitmq", "valkey"])
def test_nothing_is_lost_and_nothing_done_twice(broker: str, tmp_path: Path) -> None:
    if broker == "rabbitmq":
        require_rabbitmq()
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "chaos", "--seed", "11", "--seconds", str(SECONDS), "--broker", broker]
    done = subprocess.run(
        [*command, "--json", str(figures)],
        env=child_environment(dict(os.environ)),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=580,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(figures.read_text())
    assert (found["lost"], found["done_twice"], found["unexpected"]) == ([], [], [])
    assert found["accepted"] > SECONDS
    assert sum(found["faults"].values()) > SECONDS / 3
