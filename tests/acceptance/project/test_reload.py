"""`gristmill up` in a project: its tasks run, and a changed file is reloaded without losing or repeating a job."""

import contextlib
import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from urllib.request import Request, urlopen

import psutil
import pytest

from gristmill.up.folder import read_exports
from tests.acceptance.ups import START_SECONDS, Up, folder_for
from tests.eventually import eventually
from tests.processes import command_line

pytestmark = pytest.mark.timeout(START_SECONDS + 600)

PROJECT = '[tool.gristmill]\nplugin = "shop.mill:plugin"\n'
MILL = """
from gristmill import Plugin, Queue

QUEUES = [Queue("report_queue", "report.*", concurrency=2)]
plugin = Plugin(name="shop", tasks=["shop.jobs"], queues=QUEUES, templates="shop")
"""
JOBS = '''
import time
from datetime import timedelta
from pathlib import Path

from marshmallow import Schema, fields

from gristmill import Context, task

VERSION = "old"


class BuildArgs(Schema):
    until = fields.String(load_default="")


@task(name="report.build", queue="report_queue", args=BuildArgs, time_limit=timedelta(minutes=10))
def build(ctx: Context, *, until: str = "") -> str:
    """Note that it ran, and wait until a file is there."""
    with Path("ran").open("a") as ran:
        ran.write(f"{ctx.job_id}\\n")
    while until and not Path(until).exists():
        time.sleep(0.05)
    return VERSION
'''


class ProjectUp(Up):
    """An `up` in the folder of a project."""

    def write(self, name: str, old: str, new: str) -> None:
        """Save a file of the project as editors do: a new file takes the place of the old one."""
        file = self.folder / name
        text = file.read_text()
        assert old in text
        file.with_suffix(".new").write_text(text.replace(old, new))
        file.with_suffix(".new").replace(file)

    def said(self, pattern: str) -> int:
        return len(re.findall(pattern, self.output, re.MULTILINE))

    def post(self, task: str, **args: str) -> str:
        values = read_exports(self.data / "env")
        headers = {"Authorization": f"Bearer {values['GRISTMILL_API_KEY']}", "Content-Type": "application/json"}
        body = json.dumps({"task": task, "args": args}).encode()
        asked = Request(f"http://127.0.0.1:{self.port}/api/v1/jobs", data=body, headers=headers)
        with urlopen(asked, timeout=60) as answer:  # noqa: S310 - our own
            return str(json.load(answer)["id"])

    def result_of(self, job: str) -> str:
        eventually(lambda: self.state_of(job) in ("succeeded", "dead"), within=120)
        found = self.job(job)
        assert (found["state"], found["attempt"]) == ("succeeded", 1), found
        return str(found["result"])

    def ran(self, job: str) -> int:
        file = self.folder / "ran"
        return file.read_text().split().count(job) if file.exists() else 0

    def workers(self, queue: str) -> list[psutil.Process]:
        """The parents of the workers of a queue."""
        children = psutil.Process(self.process.pid).children()
        return [each for each in children if queue in command_line(each)]


def write_project(folder: Path) -> None:
    (folder / "shop" / "templates").mkdir(parents=True)
    files = {"pyproject.toml": PROJECT, "shop/__init__.py": "", "shop/mill.py": MILL, "shop/jobs.py": JOBS}
    for name, text in files.items():
        (folder / name).write_text(text)


def start(folder: Path, *arguments: str, **env: str) -> ProjectUp:
    write_project(folder)
    up = ProjectUp(folder, list(arguments), env=env)
    up.start()
    return up


@pytest.fixture
def up() -> Iterator[ProjectUp]:
    with folder_for(None) as folder:
        started = start(folder)
        try:
            started.wait_until_ready()
            yield started
        finally:
            assert started.stop() == 0, started.output


def reload(up: ProjectUp, name: str, old: str, new: str) -> None:
    """Save a change, and return when the terminal says that it is in its place."""
    before = up.said(r"^Reloaded in [\d.]+ s: ")
    up.write(name, old, new)
    eventually(lambda: up.said(r"^Reloaded in [\d.]+ s: ") == before + 1, within=START_SECONDS)


def test_jobs_that_run_during_a_reload_end_once_and_those_after_it_run_the_new_code(up: ProjectUp) -> None:
    long = up.post("report.build", until="go")
    eventually(lambda: up.ran(long) == 1, within=60)
    enough, posted = threading.Event(), list[str]()

    def keep_posting() -> None:
        while not enough.is_set():
            with contextlib.suppress(OSError):  # while the ingress gives its port back, nobody listens
                posted.append(up.post("report.build"))
                eventually(lambda: up.ran(posted[-1]), within=60)

    thread = threading.Thread(target=keep_posting)
    thread.start()
    try:
        reload(up, "shop/jobs.py", '"old"', '"new"')
    finally:
        enough.set()
        thread.join(60)
    assert up.result_of(up.post("report.build")) == "new"
    assert up.state_of(long) == "running"  # by the worker of before, which is asked to end and is not killed
    (up.folder / "go").touch()
    assert up.result_of(long) == "old"
    assert {up.result_of(job) for job in posted} <= {"old", "new"}
    assert [up.ran(job) for job in (long, *posted)] == [1] * (1 + len(posted))
    eventually(lambda: len(up.workers("report_queue")) == 1, within=60)


@pytest.mark.long
def test_a_mistake_in_a_saved_file_is_shown_and_stops_nothing(up: ProjectUp) -> None:
    up.write("shop/jobs.py", 'VERSION = "old"', "VERSION = = 1")
    eventually(lambda: up.said("^Not reloaded, and what ran before still runs: shop/jobs.py") == 1, within=60)
    assert 'File "shop/jobs.py", line 10' in up.output
    assert "SyntaxError: invalid syntax" in up.output
    assert up.result_of(up.post("report.build")) == "old"
    reload(up, "shop/jobs.py", "VERSION = = 1", 'VERSION = "mended"')
    assert up.result_of(up.post("report.build")) == "mended"


@pytest.mark.long
def test_a_new_queue_gets_a_worker_and_one_that_is_gone_loses_it(up: ProjectUp) -> None:
    reload(up, "shop/mill.py", "]\n", ', Queue("parcel_queue", "parcel.*")]\n')
    assert len(up.workers("parcel_queue")) == 1
    reload(up, "shop/jobs.py", '"report.build", queue="report_queue"', '"parcel.pack", queue="parcel_queue"')
    assert up.result_of(up.post("parcel.pack")) == "old"
    reload(up, "shop/mill.py", 'Queue("report_queue", "report.*", concurrency=2), ', "")
    eventually(lambda: not up.workers("report_queue"), within=60)


@pytest.mark.long
def test_a_reload_waits_while_two_former_ones_still_have_jobs_to_finish(up: ProjectUp) -> None:
    jobs = []
    for old, new in (("old", "second"), ("second", "third")):
        jobs.append(up.post("report.build", until="go"))
        eventually(lambda: up.ran(jobs[-1]) == 1, within=60)
        reload(up, "shop/jobs.py", f'"{old}"', f'"{new}"')
    up.write("shop/jobs.py", '"third"', '"fourth"')
    eventually(lambda: up.said("^The reload waits: worker_report still finishes jobs of two former ones") == 1)
    assert up.result_of(up.post("report.build")) == "third"
    (up.folder / "go").touch()
    eventually(lambda: up.said("^Reloaded in ") == 3, within=START_SECONDS)
    assert [up.result_of(job) for job in jobs] == ["old", "second"]
    assert up.result_of(up.post("report.build")) == "fourth"


@pytest.mark.long
def test_without_reload_and_with_fewer_plugins_it_runs_too() -> None:
    with folder_for(None) as folder:
        up = start(folder, "--no-reload", "--no-flower", GRISTMILL_PLUGINS="shop")
        try:
            up.wait_until_ready()
            assert "A changed file is reloaded" not in up.output
            listed = up.command("tasks", "list", "--json", GRISTMILL_PLUGINS="shop")
            assert {row["name"] for row in json.loads(listed.stdout)["items"]} == {"report.build", "webhook.deliver"}
            assert up.result_of(up.post("report.build")) == "old"
        finally:
            assert up.stop() == 0, up.output


@pytest.mark.parametrize(
    ("file", "old", "new", "said"),
    [
        ("shop/jobs.py", "import time", "import tim", ["shop/jobs.py", "No module named 'tim'", "tasks of the plugin"]),
        ("shop/mill.py", '"report_queue"', '"email_queue"', ["Error: The queue email_queue of the plugin shop takes"]),
        ("pyproject.toml", "shop.mill", "shop.mil", ["No module named 'shop.mil'", "[tool.gristmill] in "]),
    ],
)
def test_a_plugin_that_cannot_be_loaded_is_told_before_anything_starts(
    tmp_path: Path, file: str, old: str, new: str, said: list[str]
) -> None:
    write_project(tmp_path)
    up = ProjectUp(tmp_path)
    up.write(file, old, new)
    ended = up.command("up")
    assert ended.returncode == 1
    assert [text for text in said if text not in ended.stderr] == []
    assert "gristmill/shared" not in ended.stderr  # frames of ours help nobody
    assert not (tmp_path / ".gristmill" / "postgres" / "cluster").exists()
    assert "Starting" not in ended.stdout
    assert list((tmp_path / ".gristmill" / "logs").iterdir()) == []
