"""Environments of the peers' own, made once under `.cache/peers`: a venv each, or a folder of Node modules."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import venv
from pathlib import Path
from typing import Final

import bench
from gristmill.children import python_module
from gristmill.process import ServiceFailedError, tail

ROOT: Final = Path(bench.__file__).parents[1]
CACHE: Final = ROOT / ".cache" / "peers"
REQUIREMENTS: Final = Path(__file__).parent / "requirements"
NODE_SCRIPTS: Final = Path(__file__).parent / "inside" / "node"
NODE: Final = "node"
NEEDED_NODE: Final = (22, 18)  # pg-boss and graphile-worker start with no older one
_STAMP: Final = "installed"


class NotHereError(RuntimeError):
    """A peer cannot run on this machine; the message says why, and the others go on."""


def python(name: str, requirements: Path = REQUIREMENTS) -> Path:
    """Return the Python of an environment with `<requirements>/<name>.txt`; makes it where it is not there yet."""
    folder, pinned = CACHE / name, requirements / f"{name}.txt"
    program = folder / "bin" / "python"
    if not _is_done(folder, pinned):
        shutil.rmtree(folder, ignore_errors=True)
        venv.create(folder, with_pip=False, symlinks=True)
        pip = python_module("pip", "--python", program, "install", "--require-hashes", "-r", pinned)
        _install(name, [*pip, "--disable-pip-version-check", "--no-compile"], folder)
        _done(folder, pinned)
    return program


def node(name: str) -> tuple[Path, Path]:
    """Return Node, and the folder that holds a peer's modules and our scripts.

    Raises:
        NotHereError: there is no npm.
    """
    folder = _modules(name)
    for script in NODE_SCRIPTS.glob("*.mjs"):  # modules are looked up from where a script lies
        shutil.copy(script, folder)
    return _node(), folder


def _node() -> Path:
    """Return the Node on the PATH where it is new enough, otherwise the one that npm has as a package."""
    found = shutil.which("node")
    if found is not None:
        answer = subprocess.run([found, "--version"], capture_output=True, text=True, check=False, timeout=20).stdout
        if tuple(int(part) for part in answer.strip().lstrip("v").split(".")[:2] if part.isdigit()) >= NEEDED_NODE:
            return Path(found)
    for program in _modules(NODE).glob("node_modules/node-*/bin/node"):
        return program
    wanted = ".".join(map(str, NEEDED_NODE))
    raise NotHereError(f"Node {wanted} or newer is needed, and npm has no package of it for this kind of machine")


def _modules(name: str) -> Path:
    folder, pinned = CACHE / name, REQUIREMENTS / f"{name}.json"
    if not _is_done(folder, pinned):
        npm = _npm()
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        shutil.copy(pinned, folder / "package.json")
        options = ["--no-package-lock", "--ignore-scripts", "--no-audit", "--no-fund"]
        _install(name, [npm, "install", *options], folder)
        _done(folder, pinned)
    return folder


def _npm() -> str:
    """Return npm; root on Debian gets it from the system's packages where it is missing."""
    if (found := shutil.which("npm")) is not None:
        return found
    apt = shutil.which("apt-get")
    if apt is None or os.geteuid() != 0:
        raise NotHereError("npm is not installed, and only root can do that here (apt-get install npm)")
    CACHE.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    with (CACHE / "npm.log").open("wb") as log:
        for command in (["update"], ["install", "--no-install-recommends", "-y", "npm"]):
            full = [apt, "-qq", "-o", "DPkg::Lock::Timeout=300", *command]
            subprocess.run(full, stdout=log, stderr=subprocess.STDOUT, check=False, timeout=900, env=env)
    if (found := shutil.which("npm")) is None:
        raise NotHereError(f"apt-get could not install npm:\n{tail(CACHE / 'npm.log')}")
    return found


def _install(name: str, command: list[str], folder: Path) -> None:
    CACHE.mkdir(parents=True, exist_ok=True)
    log = CACHE / f"{name}.log"
    with log.open("wb") as output:
        done = subprocess.run(command, cwd=folder, stdout=output, stderr=subprocess.STDOUT, check=False, timeout=900)
    if done.returncode != 0:
        shutil.rmtree(folder, ignore_errors=True)
        raise ServiceFailedError(
            f"{name} could not be installed. Without a network, or behind a mirror, set pip and npm up for it, then "
            f"run the same command again; or leave it out (--only). The end of {log}:\n{tail(log)}"
        )


def _wanted(pinned: Path) -> str:
    return f"{hashlib.sha256(pinned.read_bytes()).hexdigest()} {os.fspath(ROOT)}"


def _is_done(folder: Path, pinned: Path) -> bool:
    stamp = folder / _STAMP
    return stamp.is_file() and stamp.read_text(encoding="utf-8") == _wanted(pinned)


def _done(folder: Path, pinned: Path) -> None:
    (folder / _STAMP).write_text(_wanted(pinned), encoding="utf-8")
