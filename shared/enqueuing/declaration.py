"""Describe a task as a row of the table of tasks."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from gristmill.shared.queues import PRIORITY_QUEUE

if TYPE_CHECKING:
    from gristmill.shared.task import Task


def describe(task: Task, *, plugin: str | None, version: str | None) -> dict[str, Any]:
    """Return the columns of a task as JSON values.

    Args:
        plugin: the plugin that brings it, None for the platform itself.
        version: the version of the distribution that it comes from, where it has one.
    """
    return {
        "name": task.name,
        "plugin": plugin,
        "version": version,
        "queue": task.queue.name,
        "time_to_live": _write(task.queue.time_to_live),
        "priority_queue": PRIORITY_QUEUE.name,
        "priority_time_to_live": _write(PRIORITY_QUEUE.time_to_live),
        "max_attempts": task.retry.max_attempts,
        "internal": task.internal,
        "arguments": _arguments(task),
    }


def _write(time_to_live: timedelta | None) -> str | None:
    return None if time_to_live is None else f"{time_to_live.total_seconds()} seconds"


def _arguments(task: Task) -> dict[str, dict[str, Any]]:
    """Return the JSON types of each argument, and what is special about it. What is false is left out."""
    contract = task.contract
    return {
        name: {
            "types": list(types),
            **({"required": True} if name in contract.required else {}),
            **({"secret": True} if name in contract.secret else {}),
        }
        for name, types in contract.types.items()
    }
