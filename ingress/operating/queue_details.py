"""Show a queue: its depths, its pause and its limits."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from gristmill.shared.queues import QUEUES, Queue

if TYPE_CHECKING:
    from gristmill.shared.operating.queries_queue_depths import Depth


def undeclared(name: str) -> Queue:
    """Return what is said of a queue that holds jobs and that the code does not declare any more."""
    purpose = "no longer declared: its jobs are held until it is again; cancel them if it is not to come back"
    return Queue(name, "undeclared.*", purpose=purpose)


def show_depth(depth: Depth) -> dict[str, Any]:
    """Return a queue as the API answers it."""
    queue = QUEUES.get(depth.queue) or undeclared(depth.queue)
    paused = None
    if depth.paused_at is not None:
        paused = {"since": depth.paused_at, "by": depth.paused_by, "reason": depth.pause_reason}
    return {
        "name": queue.name,
        "purpose": queue.purpose,
        "ready": depth.ready,
        "scheduled": depth.scheduled,
        "retrying": depth.retrying,
        "running": depth.running,
        "dead_letters": depth.dead,
        "more": ["dead_letters" if name == "dead" else name for name in depth.more],
        "counted_at": depth.counted_at,
        "oldest_due_at": depth.oldest_due_at,
        "oldest_waiting_seconds": depth.oldest_seconds,
        "accepted_a_minute": depth.accepted_a_minute,
        "started_a_minute": depth.started_a_minute,
        "workers": depth.workers,
        "worker_seen_at": depth.worker_seen_at,
        "last_started_at": depth.last_started_at,
        "paused": paused,
        "dead_letter_queue": queue.dead_letter_queue,
        "time_to_live": queue.time_to_live.total_seconds() if queue.time_to_live is not None else None,
    }
