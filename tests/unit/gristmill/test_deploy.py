"""The files of a deployment have the queues of the project."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

PLUGIN: Final = """
from datetime import timedelta
from gristmill import Plugin, Queue
plugin = Plugin(name="shop", tasks=["shop.jobs"], queues=[Queue("report_queue", "report.*", concurrency=3)])
"""
JOBS: Final = """
from datetime import timedelta
from marshmallow import Schema
from gristmill import task
class Nothing(Schema):
    pass
@task(name="report.build", queue="report_queue", args=Nothing, time_limit=timedelta(minutes=10))
def build(ctx):
    'Build.'
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "shop").mkdir()
    (tmp_path / "pyproject.toml").write_text(
        '[project]\nname = "shop"\nversion = "1.2"\n[tool.gristmill]\nplugin = "shop.mill:plugin"\n'
    )
    for name, text in {"__init__": "", "mill": PLUGIN, "jobs": JOBS}.items():
        (tmp_path / "shop" / f"{name}.py").write_text(text)
    return tmp_path


def deploy(folder: Path, *arguments: str) -> str:
    given = {name: value for name, value in os.environ.items() if not name.startswith("GRISTMILL_")}
    command = [sys.executable, "-P", "-m", "gristmill", "deploy", *arguments]
    return subprocess.run(command, cwd=folder, env=given, capture_output=True, text=True, check=True).stdout


def test_compose_has_the_workers_and_the_image_of_the_project(project: Path) -> None:
    services: dict[str, Any] = yaml.safe_load(deploy(project, "compose"))["services"]
    worker = services["worker_report"]
    assert worker["command"] == ["worker", "--queue", "report_queue", "--concurrency", "3"]
    assert worker["image"] == services["web"]["image"] == "shop:1.2"
    assert worker["stop_grace_period"] == "615s"  # its task's ten minutes, and the time to end it


def test_kubernetes_has_the_workers_of_the_project(project: Path) -> None:
    printed = list(yaml.safe_load_all(deploy(project, "kubernetes", "--image", "registry.example/shop:9")))
    (pod,) = [each["spec"]["template"]["spec"] for each in printed if each["metadata"]["name"] == "worker-report"]
    assert pod["terminationGracePeriodSeconds"] == 615
    assert pod["containers"][0]["image"] == "registry.example/shop:9"


def test_manifests_are_written_into_a_folder_a_file_each(project: Path) -> None:
    deploy(project, "kubernetes", "--into", "k8s")
    written = "---\n".join(path.read_text() for path in sorted((project / "k8s").iterdir()))
    assert written == deploy(project, "kubernetes")


def test_the_procfile_and_the_image_of_the_project(project: Path) -> None:
    assert "worker_report: gristmill worker --queue report_queue --concurrency 3\n" in deploy(project, "procfile")
    assert "COPY pyproject.toml" in deploy(project, "dockerfile")
