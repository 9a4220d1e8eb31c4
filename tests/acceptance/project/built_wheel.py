"""The wheel of this clone in place of the published one, for whoever calls pip."""

import re
import subprocess
import sys
from pathlib import Path

from tests.acceptance.ups import ROOT

PIN = re.compile(r"^(\w[^ \\\n]*==[^\\\n]*?) *\\?$", re.MULTILINE)


def build_wheel(folder: Path) -> Path:
    """Build the wheel of the last commit into a folder, and return its file."""
    build = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet", "--no-deps"]
    source = folder / "source"
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(source)], check=True, timeout=60)
    subprocess.run([*build, "--no-build-isolation", "--wheel-dir", str(folder), str(source)], check=True, timeout=120)
    (wheel,) = folder.glob("*.whl")
    return wheel


def write_constraints(folder: Path, *others: str) -> Path:
    """Return a file with our pinned versions, and others, for `PIP_CONSTRAINT`."""
    pins = PIN.findall((ROOT / "requirements" / "runtime.txt").read_text())
    assert len(pins) > 30
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join([*pins, *others]))
    return constraints
