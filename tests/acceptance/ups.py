"""A real `gristmill up` in a folder of its own, as us or as an ordinary user."""

import atexit
import json
import os
import pwd
import re
import shutil
import signal
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import psutil
import pytest

from gristmill import ports
from gristmill.up.folder import read_exports
from tests.eventually import eventually
from tests.processes import command_line, has_ended

ROOT = Path(__file__).parents[2]
START_SECONDS = 240.0  # RabbitMQ alone takes 25 on a busy machine
ORDINARY = "nobody"


@dataclass
class Up:
    """One run of the command. The folder's name has a space in it, as people's folders do."""

    folder: Path
    arguments: list[str] = field(default_factory=list)
    user: str | None = None
    env: dict[str, str] = field(default_factory=dict)
    process: subprocess.Popen[bytes] = field(init=False)

    def __post_init__(self) -> None:
        self.port, self.mail_port, self.flower_port = (ports.free_port() for _ in range(3))

    @property
    def output(self) -> str:
        return (self.folder / "up.out").read_text(errors="replace")

    @property
    def data(self) -> Path:
        return self.folder / ".gristmill"

    def command(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Call `gristmill` in the folder, as the same user, and wait for its end."""
        return subprocess.run(
            [python_for(self.user), "-P", "-m", "gristmill", *arguments],
            cwd=self.folder,
            env=self._env() | env,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
            **as_user(self.user),
        )

    def start(self) -> None:
        with (self.folder / "up.out").open("wb") as out:
            self.process = subprocess.Popen(
                [python_for(self.user), "-P", "-m", "gristmill", "up", *self.arguments],
                cwd=self.folder,
                env=self._env(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                **as_user(self.user),
            )

    def wait_until_ready(self) -> None:
        self._wait_until(lambda: re.search(r"^ready ", self.output, re.MULTILINE) is not None)

    def wait_until_it_starts(self, name: str) -> None:
        """Return when one of its processes is there."""
        self._wait_until(lambda: any(name in command_line(each) for each in self.family()))

    def _wait_until(self, is_so: Callable[[], bool]) -> None:
        def is_so_yet() -> bool:
            if self.process.poll() is not None:
                pytest.fail(f"up ended with {self.process.returncode}:\n{self.output}")
            return is_so()

        eventually(is_so_yet, within=START_SECONDS)

    def family(self) -> list[psutil.Process]:
        """Everything that it has started, directly or not."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def stop(self) -> int:
        """End it by Ctrl-C and return its exit code; ten seconds are promised, a busy machine gets more."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        try:
            return self.process.wait(timeout=60)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
            raise

    def pasted_command(self) -> str:
        """The shell command on the screen, from its first to its last line."""
        found = re.search(r"^(\. .*?\}'$)", self.output, re.MULTILINE | re.DOTALL)
        assert found is not None, self.output
        return found[1]

    def state_of(self, job: str) -> str:
        """The state of a job, by the HTTP API."""
        return str(self.job(job)["state"])

    def job(self, job: str) -> dict[str, Any]:
        """A job as the HTTP API tells it."""
        values = read_exports(self.data / "env")
        headers = {"Authorization": f"Bearer {values['GRISTMILL_API_KEY']}"}
        asked = Request(f"http://127.0.0.1:{self.port}/api/v1/jobs/{job}", headers=headers)
        with urlopen(asked, timeout=60) as answer:  # noqa: S310 - our own
            found: dict[str, Any] = json.load(answer)
        return found

    def mails(self, to: str) -> int:
        with urlopen(f"http://127.0.0.1:{self.mail_port}/mail?to={to}", timeout=60) as answer:
            return len(json.load(answer)["messages"])

    def _env(self) -> dict[str, str]:
        ours = {name: value for name, value in os.environ.items() if not name.startswith("GRISTMILL_")}
        return {
            **ours,
            **python_path(python_for(self.user)),
            "PYTHONDONTWRITEBYTECODE": "1",
            "HOME": str(self.folder),
            "GRISTMILL_PORT": str(self.port),
            "GRISTMILL_MAIL_PORT": str(self.mail_port),
            "GRISTMILL_FLOWER_PORT": str(self.flower_port),
            **self.env,
        }


@contextmanager
def running(*arguments: str, user: str | None = None) -> Iterator[Up]:
    """Yield an `up` that is ready; it is ended, and its folder removed, afterwards."""
    with starting(*arguments, user=user) as up:
        up.wait_until_ready()
        yield up


@contextmanager
def starting(
    *arguments: str, user: str | None = None, prepare: Callable[[Path], None] = lambda _: None
) -> Iterator[Up]:
    """Yield an `up` that was just started, in a folder that was prepared."""
    with folder_for(user) as folder:
        prepare(folder)
        up = Up(folder, list(arguments), user)
        up.start()
        try:
            yield up
        finally:
            family = up.family() if up.process.poll() is None else []
            up.stop()
            for each in family:
                if not has_ended(each):
                    each.kill()


@contextmanager
def folder_for(user: str | None) -> Iterator[Path]:
    """Yield a folder that belongs to a user (us when None), in a place that everybody may pass through."""
    outer = Path(tempfile.mkdtemp(prefix="gristmill-up-"))
    outer.chmod(0o755)
    folder = outer / "a mill"
    folder.mkdir()
    if user is not None:
        found = pwd.getpwnam(user)
        os.chown(folder, found.pw_uid, found.pw_gid)
    try:
        yield folder
    finally:
        shutil.rmtree(outer, ignore_errors=True)


def as_user(user: str | None) -> dict[str, Any]:
    """What to give to Popen so that a program runs as this user."""
    if user is None:
        return {}
    found = pwd.getpwnam(user)
    return {"user": found.pw_uid, "group": found.pw_gid, "extra_groups": []}


@cache
def python_for(user: str | None) -> str:
    """A Python that this user may run and that finds our packages: ours, or a copy of it that everybody may enter."""
    if user is None or _can_run(sys.executable, user):
        return sys.executable
    copied = _copy_of_python()
    if not _can_run(copied, user):
        pytest.skip(f"the user {user} may not read {ROOT} and {sysconfig.get_path('purelib')}")
    return copied


def python_path(python: str) -> dict[str, str]:
    """The variables by which this Python finds its library and our packages."""
    if python == sys.executable:
        return {"PYTHONPATH": str(ROOT)}
    return {
        "PYTHONPATH": os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")]),
        "LD_LIBRARY_PATH": str(Path(python).parents[1] / "lib"),
    }


def _can_run(python: str, user: str) -> bool:
    command = [python, "-c", "import gristmill.up.run, celery, redis"]
    env = {"PATH": os.defpath, **python_path(python)}
    try:
        subprocess.run(command, env=env, cwd="/", timeout=60, check=True, capture_output=True, **as_user(user))
    except (OSError, subprocess.SubprocessError):
        return False
    return True


def _copy_of_python() -> str:
    """Copy our Python's program and standard library, some 60 MB, out of a home folder that others may not enter."""
    home = Path(tempfile.mkdtemp(prefix="gristmill-python-"))
    atexit.register(shutil.rmtree, home, ignore_errors=True)
    home.chmod(0o755)
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    without = shutil.ignore_patterns("site-packages", "test", "tests", "idlelib", "ensurepip", "config-*")
    shutil.copytree(sysconfig.get_path("stdlib"), home / "lib" / version, ignore=without)
    for library in Path(sys.base_prefix, "lib").glob("libpython*.so*"):
        shutil.copy2(library, home / "lib")
    (home / "bin").mkdir()
    shutil.copy2(Path(sys.base_prefix, "bin", version), home / "bin" / version)
    return str(home / "bin" / version)
