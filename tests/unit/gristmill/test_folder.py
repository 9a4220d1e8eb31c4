"""The data folder of `gristmill up`."""

import os
from pathlib import Path

import pytest

from gristmill.process import ServiceFailedError
from gristmill.up.folder import AlreadyRunningError, Folder, read_exports
from gristmill.up.log_file import LogFile


def test_it_is_private(tmp_path: Path) -> None:
    folder = Folder(tmp_path / "a folder")
    folder.write_shell_file({"GRISTMILL_URL": "http://x"})
    assert folder.path.stat().st_mode & 0o077 in {0, 0o011}  # others may pass through at most, where nobody must
    assert folder.shell_file.stat().st_mode & 0o777 == 0o600


def test_only_one_may_work_in_it_and_the_other_is_told_who_does(tmp_path: Path) -> None:
    first, second = Folder(tmp_path), Folder(tmp_path)
    with first.locked("http://127.0.0.1:8000"):
        with pytest.raises(AlreadyRunningError) as refused, second.locked("http://127.0.0.1:9000"):
            pass
        assert f"pid {os.getpid()}" in str(refused.value)
        assert "http://127.0.0.1:8000" in str(refused.value)
    with Folder(tmp_path).locked("http://127.0.0.1:9000"):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_folder_of_somebody_else_is_refused_with_what_to_do(tmp_path: Path) -> None:
    theirs = tmp_path / "theirs"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)
    with pytest.raises(ServiceFailedError, match=r"belongs to user 12345, and you are root: .*--data"):
        Folder(theirs)


def test_a_secret_is_made_once(tmp_path: Path) -> None:
    assert Folder(tmp_path).secret("key") == Folder(tmp_path).secret("key") != Folder(tmp_path).secret("other")


def test_ports_stay_the_same_from_run_to_run(tmp_path: Path) -> None:
    chosen = Folder(tmp_path).ports(["postgres", "valkey"])
    assert len(set(chosen.values())) == 2
    assert Folder(tmp_path).ports(["postgres", "valkey"]) == chosen


def test_a_port_that_somebody_took_meanwhile_is_replaced(tmp_path: Path) -> None:
    import socket

    folder = Folder(tmp_path)
    port = folder.ports(["postgres"])["postgres"]
    with socket.create_server(("127.0.0.1", port)):
        assert folder.ports(["postgres"])["postgres"] != port


def test_what_is_written_for_the_shell_is_read_back(tmp_path: Path) -> None:
    folder = Folder(tmp_path)
    values = {"A": "it's $HOME", "B": "a b", "C": "postgresql://u:p%40@h/d?x=1"}
    folder.write_shell_file(values)
    assert read_exports(folder.shell_file) == values
    assert read_exports(tmp_path / "not there") == {}


def test_a_log_file_stays_bounded(tmp_path: Path) -> None:
    log = LogFile(tmp_path / "mill.log", limit_bytes=1000)
    for _ in range(100):
        log.write(b"x" * 99 + b"\n")
    log.close()
    sizes = {path.name: path.stat().st_size for path in tmp_path.iterdir()}
    assert set(sizes) == {"mill.log", "mill.log.1"}
    assert max(sizes.values()) <= 1100
