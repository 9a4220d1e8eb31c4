"""The files of a project whose change is reloaded."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from gristmill.up import changed_files
from gristmill.up.changed_files import ChangedFiles

Look = Callable[[], list[str]]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name in ("pyproject.toml", "shop/__init__.py", "shop/jobs/send.py", "shop/templates/mail.txt", "notes.txt"):
        write(tmp_path, name)
    for name in (".venv/lib/x.py", "env/lib/x.py", "env/pyvenv.cfg", "tests/test_x.py", "node_modules/x.py"):
        write(tmp_path, name)
    return tmp_path


def write(project: Path, name: str, text: str = "") -> None:
    (project / name).parent.mkdir(parents=True, exist_ok=True)
    (project / name).write_text(text)


class Clock:
    """Stands still while files are looked at, and is an hour later at the next look."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def files(project: Path, clock: Clock) -> ChangedFiles:
    return ChangedFiles(project, now=clock)


@pytest.fixture
def look(files: ChangedFiles, clock: Clock) -> Look:
    def once() -> list[str]:
        clock.seconds += 3600
        return [str(path) for path in files.find()]

    return once


def test_what_is_new_changed_or_gone_is_told_once(project: Path, look: Look) -> None:
    assert look() == []
    write(project, "shop/jobs/send.py", "changed")
    write(project, "shop/templates/mail.html")
    (project / "pyproject.toml").unlink()
    assert look() == []  # it may still be written to
    assert look() == ["pyproject.toml", "shop/jobs/send.py", "shop/templates/mail.html"]
    assert look() == look() == []


def test_a_file_that_takes_the_place_of_another_of_its_size_and_time_is_a_change(project: Path, look: Look) -> None:
    file, other = project / "shop/jobs/send.py", project / "shop/jobs/send.new"
    other.touch()
    status = file.stat()
    os.utime(other, ns=(status.st_atime_ns, status.st_mtime_ns))
    other.replace(file)
    assert (look(), look()) == ([], ["shop/jobs/send.py"])


@pytest.mark.parametrize(
    "name", ["notes.txt", ".venv/lib/x.py", "env/lib/x.py", "tests/test_x.py", "node_modules/x.py", "shop/.x/y.py"]
)
def test_what_does_not_belong_to_the_project_s_code_is_no_change(project: Path, look: Look, name: str) -> None:
    write(project, name, "changed")
    assert (look(), look()) == ([], [])


def test_it_waits_until_nothing_changes_any_more_but_not_for_ever(project: Path, look: Look) -> None:
    looks = 0
    while not (told := look()):
        looks += 1
        write(project, "shop/jobs/send.py", "x" * looks)
        assert looks < 100
    assert told == ["shop/jobs/send.py"]
    assert looks > 10


def test_a_change_that_is_taken_back_is_none(project: Path, look: Look) -> None:
    write(project, "shop/new.py")
    assert look() == []
    (project / "shop/new.py").unlink()
    assert (look(), look()) == ([], [])


def test_between_two_looks_there_is_a_pause(project: Path, files: ChangedFiles, look: Look) -> None:
    write(project, "shop/jobs/send.py", "changed")
    assert look() == []
    assert files.find() == files.find() == []
    assert look() == ["shop/jobs/send.py"]


def test_a_large_folder_is_looked_at_in_part(
    project: Path, clock: Clock, files: ChangedFiles, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert files.is_complete
    monkeypatch.setattr(changed_files, "MOST_FILES", 3)
    part = ChangedFiles(project, now=clock)
    assert not part.is_complete
    write(project, "shop/templates/mail.txt", "changed")
    for _ in range(3):
        clock.seconds += 3600
        assert part.find() == []
