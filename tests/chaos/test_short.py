"""An attack on the whole platform, with each broker: nothing accepted is lost, and nothing is done twice."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from gristmill.children import search_path
from gristmill.up.environment import child_environment
from tests.conftest import require_rabbitmq

ROOT = Path(__file__).parents[2]

SECONDS = 10
LONG_SECONDS = 60


@pytest.mark.timeout(600)
@pytest.mark.parametrize("broker", ["rabbitmq", "valkey"])
def test_nothing_is_lost_and_nothing_done_twice(broker: str, tmp_path: Path) -> None:
    attack(broker, tmp_path, seed=11, seconds=SECONDS)


@pytest.mark.long
@pytest.mark.timeout(900)
@pytest.mark.parametrize("broker", ["rabbitmq", "valkey"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_nothing_is_lost_and_nothing_done_twice_in_a_long_attack(broker: str, seed: int, tmp_path: Path) -> None:
    attack(broker, tmp_path, seed=seed, seconds=LONG_SECONDS)


def attack(broker: str, tmp_path: Path, *, seed: int, seconds: int) -> None:
    if broker == "rabbitmq":
        require_rabbitmq()
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "chaos", "--seed", str(seed), "--seconds", str(seconds), "--broker", broker]
    done = subprocess.run(
        [*command, "--json", str(figures)],
        env={**child_environment(dict(os.environ)), **search_path(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=540 + seconds,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(figures.read_text())
    assert (found["lost"], found["done_twice"], found["unexpected"]) == ([], [], [])
    assert found["accepted"] > seconds
    assert sum(found["faults"].values()) > seconds / 3
