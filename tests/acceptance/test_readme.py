"""The README and the pages under docs/: every command there is run, as it is written, and every example works."""

import hashlib
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import select

from gristmill import process
from gristmill.ports import free_port
from gristmill.shared.database.connect import Database
from gristmill.shared.jobs.models import Job
from gristmill.shared.operating.models import FeatureFlag
from gristmill.shared.task import registry
from tests.contexts import make_settings
from tests.eventually import eventually

ROOT = Path(__file__).parents[2]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
START_SECONDS = 240

LOAD_TEST = """\
make load-test                                    # against the `make up` here, or GRISTMILL_URL and …_API_KEY
make load-test ARGS="--users 200 --run-time 30s"  # everything that Locust knows
make load-test ARGS=--here                        # against private servers and processes of its own"""
INSTALL = """\
pip install gristmill               # declare tasks, enqueue, operate a platform elsewhere
pip install 'gristmill[web]'        # gristmill web
pip install 'gristmill[worker]'     # gristmill worker, relay, beat, maintenance, doctor
pip install 'gristmill[flower]'     # gristmill flower
pip install 'gristmill[platform]'   # commands that open the database, such as gristmill db upgrade
pip install 'gristmill[embedded]'   # gristmill up: all of these, with the servers"""
RUN_ELSEWHERE = {
    "make up": "the fixture below runs it",
    "make up ARGS=--rabbitmq": "test_up.py runs the platform on RabbitMQ",
    "make test": "this is it",
    INSTALL: "tests/acceptance/test_installed.py installs each extra of the wheel",
    "make bench-imports": "tests/acceptance/test_bench.py runs it with one round",
    "make bench": "tests/acceptance/test_bench.py runs it in short",
    'make bench-growth\nmake bench-growth ARGS="tables --rows 10000 1000000 10000000"': "that one, too, by parts",
    'make bench-ingress\nmake bench-ingress ARGS="history --rows 10000000"': "and that one, too",
    'make bench-peers ARGS="--markdown docs/peers.md --chart docs/peers.svg"\n'
    'make bench-peers ARGS="--only gristmill celery rq --rounds 3"': "an hour; test_bench.py runs it with one peer",
    LOAD_TEST: "many minutes; tests/unit/bench/test_criteria.py holds what fails it",
}
# Environments of their own are made for these: minutes, and a registry.
LONG = {
    'make bench-peers ARGS="--costs noop --only gristmill gristmill-alone graphile-worker pg-boss"': "installs Node's",
}

pytestmark = pytest.mark.timeout(2 * START_SECONDS + 600)


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", page.read_text(), re.MULTILINE | re.DOTALL)


def commands_of(page: Path) -> list[str]:
    return [block.strip() for block in blocks(page, "sh")]


INSTALLED = {"dev": "requirements/dev.txt", "runtime": "requirements/runtime.txt", "project": "pyproject.toml"}


def changed_since_installed(root: Path) -> list[str]:
    """The files that `requirements/install.sh` would install by, because its stamps are of others."""
    return [
        name
        for stamp, name in INSTALLED.items()
        if (root / ".venv/.stamps" / stamp).read_text()
        != f"{hashlib.sha256((root / name).read_bytes()).hexdigest()} {root}\n"
    ]


def lend_environment(folder: Path) -> None:
    """Let `folder` use the packages of this checkout: links to them, and stamps that say so for its own path.

    Without the stamps `make up` would install anew, through the links, into the environment that this test runs in;
    and so it would with old ones.
    """
    if changed := changed_since_installed(ROOT):
        pytest.fail(f".venv is older than {', '.join(changed)}: run `make dev`, then this again", pytrace=False)
    lent, own = ROOT / ".venv", folder / ".venv"
    (own / ".stamps").mkdir(parents=True)
    for entry in lent.iterdir():
        if entry.name != ".stamps":
            (own / entry.name).symlink_to(entry)
    for stamp in (lent / ".stamps").iterdir():
        (own / ".stamps" / stamp.name).write_text(stamp.read_text().replace(str(ROOT), str(folder)))


@pytest.fixture(scope="module")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """A copy of the project as a new user has it, in which `make up` runs, and the environment of their shell."""
    folder = tmp_path_factory.mktemp("checkout", numbered=True)
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    for name in listed.stdout.splitlines():
        if (ROOT / name).is_file() or (ROOT / name).is_symlink():  # the package's rooms are links to folders
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name, follow_symlinks=False)
    lend_environment(folder)
    ports = {f"GRISTMILL_{name}": str(free_port()) for name in ("PORT", "FLOWER_PORT", "MAIL_PORT")}
    # The packages are lent, and would bring along the code of this checkout: the copy's comes first.
    env = {"PATH": os.environ["PATH"], "HOME": str(folder), "PYTHONPATH": str(folder), **ports}
    log = folder / "up.log"
    up = process.spawn(["make", "up"], env=env, cwd=folder, log=log)
    try:
        eventually(lambda: re.search(r"^ready ", log.read_text(), re.MULTILINE), within=START_SECONDS)
        settled = [".venv/bin/gristmill", "doctor", "--wait", str(START_SECONDS)]  # the last processes start after that
        subprocess.run(settled, cwd=folder, env=env, capture_output=True, timeout=START_SECONDS + 30, check=True)
        yield {"cwd": folder, "env": env}
    finally:
        process.stop(up, deadline_seconds=60)


def test_an_environment_that_is_older_than_what_it_is_made_of_is_not_lent(tmp_path: Path) -> None:
    for stamp, name in INSTALLED.items():
        for path in (tmp_path / name, tmp_path / ".venv/.stamps" / stamp):
            path.parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text("one==1\n")
        said = subprocess.run(["sha256sum", name], cwd=tmp_path, capture_output=True, text=True, check=True).stdout
        (tmp_path / ".venv/.stamps" / stamp).write_text(f"{said.split()[0]} {tmp_path}\n")
    assert changed_since_installed(tmp_path) == []
    (tmp_path / "pyproject.toml").write_text("one==2\n")
    assert changed_since_installed(tmp_path) == ["pyproject.toml"]


def pasted(page: Path) -> list[str]:
    """The commands of a page that are run here, in their order: later ones may build on earlier ones."""
    return [block for block in commands_of(page) if block not in RUN_ELSEWHERE | LONG]


def paste(block: str, shell: dict[str, Any]) -> None:
    """Run a command as in the reader's shell, where `. .gristmill/env` was pasted before."""
    ran = subprocess.run(
        ["bash", "-euo", "pipefail", "-c", f". .gristmill/env\n{block}"],
        **shell,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert ran.returncode == 0, f"$ {block}\n{ran.stdout}\n{ran.stderr}"
    if re.search(r"/api/v1/jobs(?!/)", block):
        assert '"state":"queued"' in ran.stdout


def test_every_command_of_the_pages_is_run() -> None:
    assert len([block for page in PAGES for block in pasted(page)]) >= 4


@pytest.mark.parametrize("page", [page for page in PAGES if pasted(page)], ids=lambda page: page.name)
def test_every_command_of_a_page_works_as_it_is_written(shell: dict[str, Any], page: Path) -> None:
    for block in pasted(page):
        paste(block, shell)


@pytest.mark.long
@pytest.mark.parametrize("block", LONG)
def test_a_command_that_installs_what_it_needs_works_as_it_is_written(shell: dict[str, Any], block: str) -> None:
    paste(block, shell)


def test_what_is_run_elsewhere_is_still_on_a_page() -> None:
    text = "\n".join(page.read_text() for page in PAGES)
    assert [command for command in RUN_ELSEWHERE | LONG if command not in text] == []


def test_the_examples_of_the_readme_work(database_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(registry, "_tasks", dict(registry._tasks))  # what the README declares ends with this test
    declare, use = blocks(ROOT / "README.md", "python")
    database = Database(make_settings({"GRISTMILL_DATABASE_URL": database_url}))
    names: dict[str, Any] = {"__name__": "readme"}
    exec(declare, names)  # noqa: S102  the README's own text, as it stands
    assert names["greet"](None, name="Ada") == "Hello, Ada"
    names |= {"database": database, "order": FeatureFlag(name="an order")}
    exec(use, names)  # noqa: S102  the README's own text, in which the order and the database are the reader's
    with database.transaction() as session:
        assert session.scalars(select(Job.task)).all() == ["user.greet"]
        assert session.get(FeatureFlag, "an order") is not None
    database.dispose()


def test_links_of_the_pages_lead_somewhere() -> None:
    broken = [
        f"{page.name}: {target}"
        for page in PAGES
        for target in re.findall(r"\]\(([^)#]+?)\)", page.read_text())
        if "://" not in target and not (page.parent / target).exists()
    ]
    assert broken == []
