"""The working folder of a command: modules in it are never taken for those of the platform."""

import subprocess
import sys
from pathlib import Path

import pytest

from gristmill import process
from gristmill.services.mailcatcher_process import MailCatcher
from tests.hostile_folder import fill

SCRIPT = str(Path(sys.executable).with_name("gristmill"))


@pytest.mark.parametrize("program", [[SCRIPT], [sys.executable, "-m", "gristmill"]], ids=["script", "module"])
@pytest.mark.parametrize("arguments", [["tasks", "list"], ["--help"], ["doctor", "--wait", "0"]], ids=" ".join)
def test_a_command_loads_nothing_from_the_working_folder(
    tmp_path: Path, program: list[str], arguments: list[str]
) -> None:
    fill(tmp_path)
    called = subprocess.run(
        [*program, *arguments],
        cwd=tmp_path,
        env=process.plain_environment(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "Traceback" not in called.stderr
    assert "hostile" not in called.stdout + called.stderr
    assert called.returncode == (1 if "doctor" in arguments else 0)  # no setting is set


def test_the_mail_catcher_loads_nothing_from_the_working_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(tmp_path)
    monkeypatch.chdir(tmp_path)
    with MailCatcher(tmp_path / "mail") as catcher:
        assert "hostile" not in catcher.log.read_text()
