"""Queues of the platform: the one table that topology, tasks, Procfile and documentation follow."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final

EXCHANGE: Final = "app_exchange"
DEAD_LETTER_EXCHANGE: Final = "app_dlx"


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue with its dead-letter queue.

    Args:
        binding: the topic pattern on `app_exchange`.
        time_to_live: the time that a job may wait here before it expires; None is for ever.
        concurrency: worker processes of its group, by default.
    """

    name: str
    binding: str
    dead_letter_queue: str
    time_to_live: timedelta | None
    concurrency: int
    purpose: str

    def routing_key(self, task: str) -> str:
        """Return the key that brings a hint of `task` into this queue: `*` in a binding stands for one word."""
        prefix = self.binding.removesuffix("*")
        word = task.removeprefix(prefix)
        return prefix + word.replace(".", "_")


QUEUES: Final[dict[str, Queue]] = {
    queue.name: queue
    for queue in (
        Queue("user_queue", "user.*", "user_dlq", None, 2, "accounts"),
        Queue("email_queue", "email.*", "email_dlq", timedelta(hours=1), 5, "mail"),
        Queue(
            "notification_queue",
            "notification.*",
            "notification_dlq",
            timedelta(minutes=30),
            2,
            "push, Slack, webhook, in-app, callbacks",
        ),
        Queue("data_processing_queue", "processing.*", "processing_dlq", timedelta(hours=6), 2, "records, aggregation"),
        Queue(
            "priority_queue",
            "priority.*",
            "priority_dlq",
            timedelta(minutes=5),
            1,
            "any task posted with priority high",
        ),
    )
}
PRIORITY_QUEUE: Final = QUEUES["priority_queue"]
