"""Operations on tasks: they are those of the code, and need no database."""

from typing import Any

from gristmill.backends.database_operations.operator import Operator
from gristmill.ingress.document.task_schemas import describe_task
from gristmill.ingress.schemas.tasks import TaskAnswer, TaskList
from gristmill.shared.errors import NotFoundError
from gristmill.shared.task import registry


def list_tasks(_by: Operator, _body: dict[str, Any]) -> Any:
    """List the tasks by name."""
    return TaskList().dump({"items": [describe_task(task) for task in registry], "next_cursor": None})


def show_task(_by: Operator, _body: dict[str, Any], name: str) -> Any:
    """Show a task."""
    task = registry.find(name)
    if task is None:
        msg = f"No task is called {name[:200]!r}: GET /api/v1/tasks lists them"
        raise NotFoundError(msg)
    return TaskAnswer().dump(describe_task(task))
