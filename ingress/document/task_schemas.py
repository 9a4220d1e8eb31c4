"""Describe a task: its contract, queue, retry policy and limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gristmill.shared.contract.json_schema import DIALECT

if TYPE_CHECKING:
    from gristmill.shared.retry import RetryPolicy
    from gristmill.shared.task import Task


def describe_task(task: Task) -> dict[str, Any]:
    """Return the answer of `GET /api/v1/tasks/{name}`."""
    return {
        "name": task.name,
        "summary": task.summary,
        "queue": task.queue.name,
        "effects": task.effects,
        "time_limit": task.time_limit.total_seconds(),
        "retry": _describe_retry(task.retry),
        "args": {"$schema": DIALECT, **task.contract.schema},
        "example": task.contract.example,
    }


def _describe_retry(policy: RetryPolicy) -> dict[str, Any]:
    return {
        "max_attempts": policy.max_attempts,
        "first_delay": policy.first_delay.total_seconds(),
        "factor": policy.factor,
        "max_delay": policy.max_delay.total_seconds(),
    }
