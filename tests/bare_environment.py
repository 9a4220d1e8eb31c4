"""An environment that holds the base and one extra, made of links to the packages of this one."""

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from typing import Final

from packaging.requirements import Requirement

from tests.requirements import ROOT, brought_by, with_required

_BUILT_FROM: Final = ("pyproject.toml", "README.md", "LICENSE")
_METADATA: Final = "import sys; from setuptools import build_meta as b; b.prepare_metadata_for_build_wheel(sys.argv[1])"


class BareEnvironment:
    """A virtual environment with what `pip install 'gristmill[EXTRA]'` brings, and this clone's code.

    Args:
        folder: an empty folder.
        extra: its name; the empty text for none.
        beside: other packages that are installed there.
    """

    def __init__(self, folder: Path, extra: str, *beside: str) -> None:
        venv.create(folder / "venv", with_pip=False, symlinks=True)
        self.python = folder / "venv" / "bin" / "python"
        self._folder = folder
        (packages,) = (folder / "venv").glob("lib/python*/site-packages")
        for name in brought_by(extra) | with_required(map(Requirement, beside)):
            _link(name, packages)
        (packages / "gristmill").symlink_to(ROOT / "gristmill")
        _write_metadata(packages)

    def run(self, *arguments: str, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run its Python without the settings of this process, and return what it printed."""
        inherited = {name: value for name, value in os.environ.items() if not name.startswith(("GRISTMILL_", "PYTHON"))}
        return subprocess.run(
            [self.python, "-P", *arguments],
            cwd=self._folder,
            env={**inherited, **settings},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )


def _link(name: str, packages: Path) -> None:
    """Link the files of a distribution; one that this system does not need is left out."""
    try:
        found = distribution(name)
    except PackageNotFoundError:
        return
    tops = {Path(file).parts[0] for file in found.files or ()} - {"..", "__pycache__"}
    for top in tops:
        if not (packages / top).exists():  # two distributions may share a folder
            (packages / top).symlink_to(Path(str(found.locate_file(top))))


@cache
def _built() -> tempfile.TemporaryDirectory[str]:
    """A folder with the metadata that the wheel has, made once in a process and removed at its end."""
    folder = tempfile.TemporaryDirectory(prefix="gristmill-metadata-")
    for name in _BUILT_FROM:
        shutil.copy(ROOT / name, folder.name)
    shutil.copytree(ROOT / "requirements", Path(folder.name, "requirements"))
    command = [sys.executable, "-c", _METADATA, folder.name]
    subprocess.run(command, cwd=folder.name, capture_output=True, timeout=60, check=True)
    return folder


def _write_metadata(packages: Path) -> None:
    (built,) = Path(_built().name).glob("*.dist-info")
    shutil.copytree(built, packages / built.name)
