"""Write the files of a deployment from their templates, with one group of workers for each queue."""

from __future__ import annotations

import math
import tomllib
from datetime import timedelta
from pathlib import Path
from typing import Final

from gristmill import __version__
from gristmill.shared.contract.options import longest_run
from gristmill.shared.plugins.load import load_plugins
from gristmill.shared.queues import PRIORITY_QUEUE, QUEUES, Queue
from gristmill.shared.task import registry

TEMPLATES: Final = Path(__file__).parent / "templates"
SETTLE: Final = timedelta(seconds=15)  # to end what runs, beyond its time limit
SHORTEST_GRACE: Final = timedelta(seconds=30)


def compose(image: str) -> str:
    """Return a Compose file in which all processes run `image`."""
    return _fill("compose.yaml", IMAGE=image, WORKERS=_workers("compose-worker.yaml", "_", "\n"))


def kubernetes(image: str) -> dict[str, str]:
    """Return manifests by the names of their files, in the order in which they are applied."""
    files = sorted(path.name for path in (TEMPLATES / "kubernetes").iterdir())
    workers = _workers("kubernetes-worker.yaml", "-", "---\n", IMAGE=image)
    return {name: _fill(f"kubernetes/{name}", IMAGE=image, WORKERS=workers) for name in files}


def procfile() -> str:
    """Return a Procfile: a line for each group of processes."""
    lines = ["web: gristmill web", "relay: gristmill relay"]
    for queue in _queues():
        words = f"--queue {queue.name} --concurrency {queue.concurrency}"
        lines.append(f"{_group(queue)}: gristmill worker {words}")
    lines += [f"{name}: gristmill {name}" for name in ("beat", "maintenance", "flower")]
    return "".join(f"{line}\n" for line in lines)


def dockerfile() -> str:
    """Return a Dockerfile for the image of a project with its plugin."""
    return _fill("dockerfile", VERSION=__version__)


def default_image() -> str:
    """Return `NAME:VERSION` of the project in the working folder, or of the platform."""
    path = Path("pyproject.toml")
    project = tomllib.loads(path.read_text(encoding="utf-8")).get("project", {}) if path.is_file() else {}
    name = project.get("name", "gristmill")
    return f"{name}:{project.get('version', __version__ if name == 'gristmill' else 'latest')}"


def grace(queue: Queue) -> timedelta:
    """Return how long a worker of `queue` may take to end what it runs. Any task may be posted with high priority."""
    load_plugins()
    tasks = [task for task in registry if not task.demo and queue in (task.queue, PRIORITY_QUEUE)]
    longest = max((longest_run(task.time_limit, task.bundle) for task in tasks), default=timedelta())
    return max(SHORTEST_GRACE, longest + SETTLE)


def _queues() -> list[Queue]:
    load_plugins()
    return list(QUEUES.values())


def _group(queue: Queue) -> str:
    return f"worker_{queue.name.removesuffix('_queue')}"


def _workers(template: str, dash: str, between: str, **values: str) -> str:
    filled = [
        _fill(
            template,
            NAME=_group(queue).replace("_", dash),
            QUEUE=queue.name,
            CONCURRENCY=str(queue.concurrency),
            SECONDS=str(math.ceil(grace(queue).total_seconds())),
            **values,
        )
        for queue in _queues()
    ]
    return between.join(filled).rstrip("\n")


def _fill(template: str, **values: str) -> str:
    text = (TEMPLATES / template).read_text(encoding="utf-8")
    for name, value in values.items():
        text = text.replace(f"@{name}@", value)
    return text
