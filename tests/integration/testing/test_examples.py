"""The tests of the Flask example pass in the environment of this clone; the others need packages that are not in it."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.documents import ROOT


@pytest.mark.long
def test_the_tests_of_the_flask_example_pass(tmp_path: Path) -> None:
    folder = tmp_path / "flask_app"
    shutil.copytree(ROOT / "examples" / "flask_app", folder, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    ours = {name: value for name, value in os.environ.items() if not name.startswith(("GRISTMILL_", "PYTEST_"))}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q"],
        cwd=folder,
        env=ours | {"PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert "4 passed" in ran.stdout
