"""Commands on the server know the queues of a team's plugin, also those that import no task."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.acceptance.operating.conftest import Web

PROJECT = """
[tool.gristmill]
plugin = "shop:plugin"
"""
PLUGIN = """
from gristmill import Plugin, Queue

plugin = Plugin(name="shop", queues=[Queue("report_queue", "report.*", purpose="reports")])
"""


@pytest.mark.parametrize(
    ("command", "told"),
    [
        ("jobs list --queue report_queue", "No jobs"),
        ("jobs count --queue report_queue", "0"),
        ("dead-letters list --queue report_queue", "No dead letters"),
        ("queues list", "report_queue"),
        ("queues show report_queue", "reports"),
    ],
)
def test_the_queue_of_a_plugin_is_known(web: Web, tmp_path: Path, command: str, told: str) -> None:
    (tmp_path / "pyproject.toml").write_text(PROJECT)
    (tmp_path / "shop.py").write_text(PLUGIN)
    ran = subprocess.run(
        [sys.executable, "-P", "-m", "gristmill", *command.split()],
        cwd=tmp_path,
        env=web.server.env,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert told in ran.stdout
