"""A spool is seen by its user alone, and secret arguments never stand in it."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from gristmill.client import SPOOLED, NotSpooledError, SpoolError, SpoolOptions, UnreachableError
from tests.integration.client.conftest import MakeClient, Stored

ECHO = ("demo.echo", {"message": "m"})
PASSWORD = "Correct-horse-1"
PERSON = {"email": "ada@example.com", "password": PASSWORD, "full_name": "Ada"}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


@pytest.fixture
def open_umask() -> Iterator[None]:
    """Whatever is made is open to everybody, unless it says otherwise."""
    before = os.umask(0)
    yield
    os.umask(before)


def rights(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("open_umask")
def test_the_folder_and_its_files_are_private(make: MakeClient, nowhere: str, folder: Path) -> None:
    client = make(nowhere, spool=SpoolOptions(folder, flush_every=0))
    client.post(*ECHO)
    client.spool.flush()
    assert rights(folder) == 0o700
    files = {path.name: oct(rights(path)) for path in folder.iterdir()}
    assert files == dict.fromkeys(["jobs.sqlite", "jobs.sqlite-wal", "jobs.sqlite-shm", "flush.lock"], "0o600")


def test_an_empty_folder_and_older_files_are_made_private(make: MakeClient, folder: Path) -> None:
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "jobs.sqlite").touch()
    (folder / "jobs.sqlite").chmod(0o644)
    make(spool=SpoolOptions(folder, flush_every=0))
    assert (rights(folder), rights(folder / "jobs.sqlite")) == (0o700, 0o600)


def test_an_open_folder_that_is_used_for_something_else_is_refused_and_left_as_it_is(
    make: MakeClient, folder: Path
) -> None:
    folder.mkdir()
    folder.chmod(0o755)
    (folder / "notes.txt").touch()
    with pytest.raises(SpoolError, match=r"open to other users, and holds notes\.txt: give it a folder of its own"):
        make(spool=folder)
    assert rights(folder) == 0o755
    assert [path.name for path in folder.iterdir()] == ["notes.txt"]


def test_a_file_and_a_link_are_refused_as_a_spool(make: MakeClient, tmp_path: Path, folder: Path) -> None:
    (tmp_path / "jobs.spool").touch()
    with pytest.raises(SpoolError, match="is a file: give the name of a folder"):
        make(spool=tmp_path / "jobs.spool")
    folder.mkdir(mode=0o700)
    (folder / "jobs.sqlite").symlink_to(tmp_path / "jobs.spool")
    with pytest.raises(SpoolError, match="cannot be used"):
        make(spool=folder)


def test_a_file_that_is_no_spool_is_refused(make: MakeClient, folder: Path) -> None:
    folder.mkdir(mode=0o700)
    (folder / "jobs.sqlite").write_text("something else, and longer than the header of a database" * 20)
    with pytest.raises(SpoolError, match="not a database"):
        make(spool=folder)


def test_a_job_with_an_argument_that_the_caller_named_as_secret_is_not_kept(
    make: MakeClient, nowhere: str, folder: Path
) -> None:
    secret = {"user.create": ["password"]}
    client = make(nowhere, patience=0.5, spool=SpoolOptions(folder, flush_every=0, secret_args=secret))
    with pytest.raises(NotSpooledError, match=r"password of user\.create is secret") as refused:
        client.post("user.create", PERSON)
    assert isinstance(refused.value, UnreachableError)
    assert (refused.value.task, refused.value.secret) == ("user.create", ("password",))
    assert PASSWORD not in str(refused.value)
    assert client.spool.count() == 0
    client.post("demo.echo", {"message": PASSWORD})  # to see that what is kept would be found
    assert [PASSWORD in text for text in [contents(folder)]] == [True]


def test_the_secret_arguments_that_the_api_told_are_known_to_a_later_program_that_cannot_ask(
    make: MakeClient, nowhere: str, folder: Path, stored: Stored
) -> None:
    make(spool=SpoolOptions(folder, flush_every=0)).post(*ECHO)
    assert len(stored.ids) == 1
    later = make(nowhere, patience=0.5, spool=SpoolOptions(folder, flush_every=0))
    with pytest.raises(NotSpooledError):
        later.post("user.create", PERSON)
    assert PASSWORD not in contents(folder)
    assert later.post("demo.echo", {"message": "kept"}).state == SPOOLED


def test_a_job_with_secret_arguments_is_sent_past_those_in_the_spool(
    make: MakeClient, nowhere: str, folder: Path
) -> None:
    secret = {"user.create": ["password"]}
    make(nowhere, spool=SpoolOptions(folder, flush_every=0)).post(*ECHO)
    client = make(spool=SpoolOptions(folder, flush_every=0, secret_args=secret))
    assert client.post("user.create", PERSON).state == "queued"
    assert client.spool.count() == 1


def contents(folder: Path) -> str:
    return "".join(path.read_bytes().decode("latin-1") for path in folder.iterdir())
