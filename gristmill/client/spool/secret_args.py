"""Secret arguments of tasks, which must not be on a disk of the producer."""

from __future__ import annotations

from typing import Any


def read_secret_args(answer: Any) -> dict[str, list[str]]:
    """Return the names of the secret arguments, by task, from the JSON of `GET /api/v1/tasks`."""
    return {
        task["name"]: [name for name, schema in task["args"].get("properties", {}).items() if schema.get("writeOnly")]
        for task in answer["items"]
    }
