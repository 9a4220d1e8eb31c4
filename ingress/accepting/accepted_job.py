"""Show an accepted job to its producer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

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
    return shown | {"duplicate": True} if accepted.duplicate else shown
