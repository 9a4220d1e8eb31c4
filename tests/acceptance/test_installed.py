"""The wheel in an environment of its own, beside a project whose packages have the names of the platform's rooms."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gristmill.up.folder import read_exports
from tests.acceptance.ups import ROOT, Up, folder_for
from tests.eventually import eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(1_500)]

NAMES = ("tasks", "shared", "models", "migrations", "workers", "ingress", "settings", "redis")
SHOP = '''
"""A shop: it has packages of its own, and posts a job to the platform."""

import json
import os
import urllib.request

import ingress, migrations, models, redis, settings, shared, tasks, workers
from gristmill.shared.task import registry
from gristmill import tasks as platform

own = [ingress, migrations, models, redis, settings, shared, tasks, workers]
assert all(module.OWNER == "the shop" for module in own), own
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


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel, and install it with its pinned requirements into an empty environment; return its `bin`."""
    folder = tmp_path_factory.mktemp("installed")
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check"]
    wheels = ["wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder)]
    subprocess.run(["git", "clone", "--quiet", str(ROOT), str(folder / "source")], check=True, timeout=60)
    subprocess.run([*pip, *wheels, str(folder / "source")], check=True, timeout=120)
    subprocess.run([sys.executable, "-m", "venv", str(folder / "venv")], check=True, timeout=120)
    python = str(folder / "venv" / "bin" / "python")
    (wheel,) = folder.glob("*.whl")
    for what in (
        ["--require-hashes", "--requirement", str(ROOT / "requirements" / "runtime.txt")],
        ["--no-deps", str(wheel)],
    ):
        subprocess.run(
            [*pip, "--python", python, "install", "--quiet", *what], check=True, timeout=900, capture_output=True
        )
    return folder / "venv" / "bin"


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
