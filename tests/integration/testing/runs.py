"""Run pytest in a copy of a project, as a team does, and read how each of its tests ended."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

ROOT: Final = Path(__file__).parents[3]
PROJECT: Final = Path(__file__).parent / "project"
SECONDS: Final = 240.0


@dataclass(frozen=True)
class Run:
    """A run of pytest.

    Attributes:
        failures: what was said of each test that did not pass, by its name; None for one that did.
    """

    exit_code: int
    output: str
    failures: dict[str, str | None]

    @property
    def failed(self) -> dict[str, str]:
        return {name: said for name, said in self.failures.items() if said is not None}


def copy_project(folder: Path) -> Path:
    """Return a folder in `folder` with the example project."""
    shutil.copytree(PROJECT, folder / "project", ignore=shutil.ignore_patterns("__pycache__"))
    return folder / "project"


def run_pytest(folder: Path, *arguments: str, env: dict[str, str] | None = None) -> Run:
    """Run pytest in a folder, with an environment that names nothing of the platform but what `env` says."""
    report = folder / "report.xml"
    report.unlink(missing_ok=True)
    inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GRISTMILL_", "PYTEST_"))}
    ended = subprocess.run(
        [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", f"--junitxml={report}", *arguments],
        cwd=folder,
        env={**inherited, "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", **(env or {})},
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    return Run(ended.returncode, ended.stdout + ended.stderr, _failures(report) if report.is_file() else {})


def _failures(report: Path) -> dict[str, str | None]:
    found: dict[str, str | None] = {}
    for case in ET.parse(report).getroot().iter("testcase"):  # noqa: S314  pytest has just written it
        said = [f"{each.get('message')}\n{each.text}" for each in case if each.tag in ("failure", "error")]
        found[f"{case.get('classname', '').rpartition('.')[2]}::{case.get('name')}"] = "\n".join(said) or None
    return found
