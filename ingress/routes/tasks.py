"""Routes to list and show tasks."""

from __future__ import annotations

from typing import Any

from gristmill.ingress.access.access_rules import requires
from gristmill.ingress.document.task_schemas import describe_task
from gristmill.ingress.http.api import PREFIX, Blueprint
from gristmill.ingress.schemas.tasks import TaskAnswer, TaskList
from gristmill.ingress.services import services
from gristmill.shared.errors import NotFoundError
from gristmill.shared.task import registry

blueprint = Blueprint("tasks", __name__, url_prefix=PREFIX, description="Tasks, of which jobs can be posted.")


@blueprint.route("/tasks", methods=["GET"])
@requires("jobs:read", "jobs:write")
@blueprint.response(200, TaskList)
@blueprint.doc(operationId="list_tasks")
def list_tasks() -> dict[str, Any]:
    """List the tasks.

    Includes for each the JSON Schema of its arguments, its queue, retry policy and time limit.
    """
    shown = [describe_task(task) for task in registry if services().settings.demo_tasks or not task.demo]
    return {"items": shown, "next_cursor": None}


@blueprint.route("/tasks/<name>", methods=["GET"])
@requires("jobs:read", "jobs:write")
@blueprint.response(200, TaskAnswer)
@blueprint.doc(operationId="show_task")
def show_task(name: str) -> dict[str, Any]:
    """Show a task."""
    task = registry.find(name)
    if task is None or (task.demo and not services().settings.demo_tasks):
        msg = f"No task is called {name[:200]!r}: GET /api/v1/tasks lists them"
        raise NotFoundError(msg)
    return describe_task(task)
