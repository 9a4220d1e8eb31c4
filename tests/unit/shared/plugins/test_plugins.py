"""Plugins are found, narrowed and checked; what is wrong stops the process and names its source."""

import dataclasses
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

from gristmill import Plugin

LOAD: Final = """
from gristmill.shared.plugins.load import load_plugins
from gristmill.shared.queues import QUEUES
from gristmill.shared.task import registry
loaded = load_plugins()
print(*loaded.names)
print(*QUEUES)
print(*[task.name for task in registry])
print(*[f"{task.name}={loaded.owner_of(task)}" for task in registry])
print(*[schedule.name for schedule in loaded.schedules])
"""
PLUGIN: Final = """
from gristmill import Plugin, Queue, Schedule
plugin = Plugin(
    name="shop",
    tasks=["shop.jobs"],
    queues=[Queue("report_queue", "report.*", concurrency=2)],
    schedules=[Schedule("reports", cron="30 7 * * mon-fri", timezone="Europe/Berlin", task="report.build")],
)
"""
JOBS: Final = """
from marshmallow import Schema
from gristmill import Context, task
class Nothing(Schema):
    pass
@task(name="report.build", queue="report_queue", args=Nothing)
def build(ctx: Context) -> None:
    'Build.'
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text('[tool.gristmill]\nplugin = "shop.mill:plugin"\n')
    (tmp_path / "shop").mkdir()
    for name, text in {"__init__": "", "mill": PLUGIN, "jobs": JOBS}.items():
        (tmp_path / "shop" / f"{name}.py").write_text(text)
    return tmp_path


def load(folder: Path, code: str = LOAD, **environment: str) -> subprocess.CompletedProcess[str]:
    given = {name: value for name, value in os.environ.items() if not name.startswith("GRISTMILL_")} | environment
    return subprocess.run(
        [sys.executable, "-P", "-c", code],
        cwd=folder,
        env=given,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def change(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def refusal(folder: Path, **environment: str) -> str:
    ended = load(folder, **environment)
    assert ended.returncode == 1, ended.stdout
    return ended.stderr


def test_a_project_brings_tasks_a_queue_and_a_schedule_beside_those_of_the_platform(project: Path) -> None:
    ended = load(project)
    assert ended.returncode == 0, ended.stderr
    names, queues, tasks, owners, schedules = ended.stdout.splitlines()
    assert names.split() == ["demo", "mail", "records", "shop", "accounts", "notifications"]  # mail before accounts
    assert queues.split()[-1] == "report_queue"
    assert {"report.build", "email.send", "user.create", "webhook.deliver"} <= set(tasks.split())
    assert {"report.build=shop", "email.send=mail", "webhook.deliver=None"} <= set(owners.split())
    assert schedules.split() == ["aggregate-hour", "reports"]


def test_a_folder_without_a_project_has_the_plugins_of_the_platform_alone(tmp_path: Path) -> None:
    assert load(tmp_path).stdout.splitlines()[0].split() == ["demo", "mail", "records", "accounts", "notifications"]


def test_the_variable_narrows_the_plugins_and_their_tasks(project: Path) -> None:
    names, _, tasks, *_ = load(project, GRISTMILL_PLUGINS="shop, mail").stdout.splitlines()
    assert names.split() == ["mail", "shop"]
    assert tasks.split() == ["email.send", "report.build", "webhook.deliver"]


def test_a_task_that_a_module_imports_from_a_plugin_that_is_left_out_is_not_there(project: Path) -> None:
    with (project / "shop" / "jobs.py").open("a") as jobs:
        jobs.write("from gristmill.tasks.demo.echo import echo\n")
    assert "demo.echo" not in load(project, GRISTMILL_PLUGINS="shop").stdout.splitlines()[2].split()


@pytest.mark.parametrize(
    ("wanted", "problem"),
    [
        ("accounts", "The plugin accounts requires the plugin mail: install it, or add it to GRISTMILL_PLUGINS"),
        ("shop,shopp", "GRISTMILL_PLUGINS names shopp, and no such plugin is installed; there are accounts, demo"),
    ],
)
def test_a_choice_that_cannot_work_is_refused(project: Path, wanted: str, problem: str) -> None:
    assert problem in refusal(project, GRISTMILL_PLUGINS=wanted)


@pytest.mark.parametrize(
    ("file", "old", "new", "problem"),
    [
        ("pyproject.toml", "shop.mill:plugin", "shop.mill", "must read like plugin ="),
        ("pyproject.toml", "shop.mill:plugin", "shop.mill:plug", "names shop.mill:plug, and shop.mill has no 'plug'"),
        ("pyproject.toml", "[tool", "[[tool", "pyproject.toml cannot be read"),
        ("shop/mill.py", 'name="shop"', 'name="Shop"', "the name is lower-case letters"),
        ("shop/mill.py", 'name="shop"', 'name="mail"', "Two plugins are called mail: the entry point mail of"),
        ("shop/mill.py", 'tasks=["shop.jobs"]', 'tasks="shop.jobs"', "tasks takes a list: write tasks=['shop.jobs']"),
        ("shop/mill.py", '"report_queue", "report.*"', '"user_queue", "report.*"', "takes the name user_queue, which"),
        ("shop/mill.py", '"report.*"', '"email.*"', "report_queue of the plugin shop takes the binding email.*"),
        ("shop/mill.py", '"report.*"', '"report.#"', "must be one word and .* such as report.*"),
        ("shop/mill.py", "concurrency=2", "concurrency=0", "concurrency=0 must lie between 1 and 256"),
        ("shop/mill.py", '"reports"', '"aggregate-hour"', "records and shop both have a schedule aggregate-hour"),
        ("shop/mill.py", "30 7", "61 7", "The schedule reports: '61 7 * * mon-fri' is no cron expression"),
        ("shop/mill.py", "Europe/Berlin", "Europe/Bern", "'Europe/Bern' is no time zone"),
        ("shop/mill.py", "report.build", "report.biuld", "The schedule reports: No task is called 'report.biuld'"),
        ("shop/jobs.py", "report_queue", "reports_queue", "in shop.jobs, line 6: no queue is called 'reports_queue'"),
        ("shop/jobs.py", "report.build", "email.send", "line 6: the name is taken by the task in gristmill.tasks."),
    ],
)  # fmt: skip
def test_what_is_wrong_stops_the_process_and_names_its_source(
    project: Path, file: str, old: str, new: str, problem: str
) -> None:
    change(project / file, old, new)
    assert problem in refusal(project)


def test_a_module_that_fails_stops_the_process_with_its_traceback_and_the_plugin_that_names_it(project: Path) -> None:
    with (project / "shop" / "jobs.py").open("a") as jobs:
        jobs.write("import a_module_that_is_not_there\n")
    error = refusal(project)
    assert "import a_module_that_is_not_there" in error
    assert "ModuleNotFoundError: No module named 'a_module_that_is_not_there'" in error
    assert "shop.jobs was imported because it is named by tasks of the plugin shop" in error


def test_a_project_in_a_src_folder_is_found(project: Path) -> None:
    (project / "src").mkdir()
    (project / "shop").rename(project / "src" / "shop")
    assert "shop" in load(project).stdout.splitlines()[0].split()


def test_the_page_about_plugins_shows_what_can_be_written() -> None:
    page = (Path(__file__).parents[4] / "docs" / "plugins.md").read_text()
    plugin, routes = re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    made: dict[str, Any] = {"__name__": __name__}
    exec(plugin, made)  # noqa: S102  our own page
    exec(routes, made)  # noqa: S102  the same
    assert made["plugin"].name == made["blueprint"].name == "shop"
    options = set(re.findall(r"^\| `(\w+)` \|", page, re.MULTILINE))
    assert options == {field.name for field in dataclasses.fields(Plugin)} - {"name"}
