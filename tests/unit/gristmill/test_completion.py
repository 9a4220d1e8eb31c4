"""Completion: what it writes, where, and that undoing it leaves nothing."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from gristmill.cli import cli

STARTUP = {"bash": ".bashrc", "zsh": ".zshrc"}


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name in ("XDG_CONFIG_HOME", "XDG_DATA_HOME", "ZDOTDIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    return tmp_path


def call(*arguments: str, code: int = 0) -> str:
    answer = CliRunner().invoke(cli, ["completion", *arguments])
    assert answer.exit_code == code, answer.output
    return answer.output


def files(home: Path) -> dict[str, str]:
    return {str(path.relative_to(home)): path.read_text() for path in home.rglob("*") if path.is_file()}


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_it_is_installed_once_and_removed_without_a_trace(home: Path, shell: str) -> None:
    for name in STARTUP.values():
        (home / name).write_text("alias ll='ls -l'")  # without a line break at its end
    before = files(home)
    told = call("install", shell)
    after = files(home)
    changed = {name for name in after if after[name] != before.get(name)}
    assert changed
    assert all(str(home / name) in told for name in changed)
    assert f"gristmill completion remove {shell}" in told
    assert "nothing was written" in call("install", shell)
    assert files(home) == after
    call("remove", shell)
    assert {name: text.rstrip("\n") for name, text in files(home).items()} == before
    assert "nothing" in call("remove", shell)


def test_a_line_that_points_elsewhere_is_replaced(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    call("install", "bash")
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    call("install", "bash")
    text = (home / ".bashrc").read_text()
    assert text.count(">>> gristmill completion >>>") == 1
    assert str(home / "data") in text


def test_the_own_shell_is_taken_and_an_unknown_one_is_told(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/usr/bin/fish")
    assert "fish" in call("install")
    monkeypatch.setenv("SHELL", "/bin/sh")
    assert "bash, zsh, fish" in call("install", code=2)


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_a_new_bash_completes_commands(home: Path) -> None:
    call("install", "bash")
    program = home / "gristmill"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -P -m gristmill "$@"\n')
    program.chmod(0o755)
    script = (
        ". ~/.bashrc; COMP_WORDS=(gristmill dead); COMP_CWORD=1; _gristmill_completion gristmill; echo ${COMPREPLY[@]}"
    )
    env = {"PATH": f"{home}:{os.environ['PATH']}", "HOME": str(home), "PYTHONPATH": os.pathsep.join(sys.path)}
    ran = subprocess.run(
        ["bash", "-c", script], env=env, cwd=home, capture_output=True, text=True, timeout=120, check=True
    )
    assert ran.stdout.strip() == "dead-letters"
