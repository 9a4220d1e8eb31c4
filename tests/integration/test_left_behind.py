"""Nothing is left of a private server when it is stopped, nor when its parent is killed."""

import contextlib
import json
import os
import site
import subprocess
import sys
from pathlib import Path
from shutil import which

import psutil
import pytest

from gristmill import ports, process
from gristmill.services.mailcatcher_process import MailCatcher
from gristmill.services.postgres import Postgres
from gristmill.services.rabbitmq import RabbitMQ
from gristmill.services.service import Service
from gristmill.services.valkey import Valkey
from tests.conftest import Make, require_rabbitmq
from tests.eventually import eventually
from tests.processes import all_have_ended, command_line, family, has_ended, working_in

ORDINARY_UID = 65_534  # the user `nobody`
NAMELESS_UID = 54_321  # as in `docker run --user 54321`
ROOT_OF_THE_CLONE = Path(__file__).parents[2]
PARENT = """
import json, signal, sys
from importlib import import_module
from pathlib import Path
module, name, folder = sys.argv[1:]
service = getattr(import_module(module), name)(Path(folder))
service.start()
print(json.dumps({key: value for key, value in vars(service).items() if key.endswith("port")}), flush=True)
signal.pause()
"""


@pytest.fixture(scope="module")
def python_for_an_ordinary_user() -> list[str]:
    """A Python that somebody else may run, where ours lies in root's home; it sees the packages of ours."""
    if os.geteuid() != 0:
        pytest.skip("we are an ordinary user: the other test has shown it")
    version = f"python{sys.version_info.major}.{sys.version_info.minor}"
    for python in filter(None, (sys.executable, which(version, path="/usr/local/bin:/usr/bin"))):
        with contextlib.suppress(OSError, subprocess.SubprocessError):
            subprocess.run(
                [python, "-c", "import gristmill.services.postgres"],
                user=ORDINARY_UID,
                group=ORDINARY_UID,
                extra_groups=[],
                env=environment(),
                check=True,
                capture_output=True,
                timeout=120,
            )
            return [python]
    pytest.skip("an ordinary user may not get at this clone or at a Python: put the clone where everybody may read")


def environment() -> dict[str, str]:
    return process.plain_environment({"PYTHONPATH": os.pathsep.join([str(ROOT_OF_THE_CLONE), *site.getsitepackages()])})


@pytest.mark.parametrize("kind", [Postgres, Valkey, RabbitMQ, MailCatcher])
def test_a_stopped_service_leaves_no_process_and_no_open_password(make: Make, kind: type[Service]) -> None:
    service = make(kind)
    service.start()
    processes = family(service)
    command_lines = " ".join(argument for each in processes for argument in command_line(each))
    secret = (service.data_dir / "password").read_text() if kind is not MailCatcher else None

    service.stop()

    eventually(lambda: all_have_ended(processes))
    assert service.data_dir.stat().st_mode & 0o777 == 0o700
    if secret is not None:
        assert secret not in repr(service)
        assert secret not in command_lines
        for path in filter(Path.is_file, service.data_dir.iterdir()):
            assert secret.encode() not in path.read_bytes() or not path.stat().st_mode & 0o077, path


@pytest.mark.parametrize("end", ["stop", "kill"])
@pytest.mark.parametrize("kind", [Postgres, Valkey, RabbitMQ, MailCatcher])
def test_a_service_that_ends_while_it_is_paused_leaves_no_process(make: Make, kind: type[Service], end: str) -> None:
    service = make(kind)
    service.start()
    assert service.process is not None
    leader = psutil.Process(service.process.pid)
    processes = [leader, *leader.children(recursive=True)]
    service.pause()

    getattr(service, end)()

    eventually(lambda: all_have_ended(processes))


@pytest.mark.parametrize("kind", [Postgres, Valkey, RabbitMQ, MailCatcher])
def test_nothing_is_left_when_the_parent_is_killed(kind: type[Service], servers_folder: Path) -> None:
    killed_parent_leaves_nothing(kind, servers_folder, [sys.executable], uid=None)


@pytest.mark.parametrize("kind", [Postgres, Valkey, RabbitMQ, MailCatcher])
def test_nothing_is_left_when_the_parent_of_an_ordinary_user_is_killed(
    kind: type[Service], servers_folder: Path, python_for_an_ordinary_user: list[str]
) -> None:
    killed_parent_leaves_nothing(kind, servers_folder, python_for_an_ordinary_user, uid=ORDINARY_UID)


def test_postgres_runs_for_a_user_without_a_name_and_leaves_nothing(
    servers_folder: Path, python_for_an_ordinary_user: list[str]
) -> None:
    if process.ordinary_identity() != "namespace":
        pytest.skip("this machine denies user namespaces, so the user needs a name: add one to /etc/passwd")
    killed_parent_leaves_nothing(Postgres, servers_folder, python_for_an_ordinary_user, uid=NAMELESS_UID)


def killed_parent_leaves_nothing(kind: type[Service], folder: Path, python: list[str], uid: int | None) -> None:
    if kind is RabbitMQ:
        require_rabbitmq()
    data = folder / f"parent-{os.urandom(6).hex()}"
    data.mkdir(mode=0o700)
    if uid is not None:
        os.chown(data, uid, uid)
    parent = subprocess.Popen(
        [*python, "-c", PARENT, kind.__module__, kind.__name__, str(data)],
        user=uid,
        group=uid,
        extra_groups=None if uid is None else [],
        env=environment(),
        cwd=data,
        stdout=subprocess.PIPE,
    )
    try:
        assert parent.stdout is not None
        with parent.stdout:
            its_ports = json.loads(parent.stdout.readline()).values()
        processes = [*psutil.Process(parent.pid).children(recursive=True), *working_in(data)]
        owners = {each.uids().real for each in processes if not has_ended(each)}
        assert owners == {os.getuid() if uid is None else uid}
        assert len(processes) > 1
    finally:
        parent.kill()
        parent.wait()
    eventually(lambda: all_have_ended(processes))
    eventually(lambda: all(map(has_ended, working_in(data))))
    eventually(lambda: all(map(ports.is_free, its_ports)))
