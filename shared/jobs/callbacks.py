"""Constants of callbacks: the task, the queue, the events and the retries of their deliveries."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from gristmill.shared.queues import NOTIFICATION_QUEUE
from gristmill.shared.retry import RetryPolicy

TASK: Final = "webhook.deliver"
QUEUE: Final = NOTIFICATION_QUEUE
EVENTS: Final = ("job.succeeded", "job.dead", "job.cancelled")
# Ten attempts. The delays are at most 10 s, 30 s, 90 s, 4.5 min, 13.5 min, 40 min, 2 h, 6 h and 6 h, on average half.
# Most receivers that are down for some hours still receive every callback; a redrive reaches the others.
RETRY: Final = RetryPolicy(max_attempts=10, first_delay=timedelta(seconds=10), factor=3.0, max_delay=timedelta(hours=6))
