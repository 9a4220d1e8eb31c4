"""Show an accepted job to its producer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gristmill.ingress.services import services

if TYPE_CHECKING:
    from gristmill.shared.jobs.insert import Accepted


def show_accepted(accepted: Accepted) -> dict[str, Any]:
    """Return the answer for a job that was accepted, or that existed before."""
    shown = {
        "id": accepted.id,
        "task": accepted.task,
        "queue": accepted.queue,
        "state": accepted.state,
        "priority": accepted.priority,
        "run_at": accepted.run_at,
        "expires_at": accepted.expires_at,
        "created_at": accepted.created_at,
    }
    if accepted.duplicate:
        shown["duplicate"] = True
    if warnings := services().known_tasks.warnings(accepted.task, accepted.queue):
        shown["warnings"] = warnings
    return shown
