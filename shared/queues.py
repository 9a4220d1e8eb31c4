"""Queues: the one table that topology, tasks, Procfile and documentation follow."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from gristmill.shared.errors import PluginError

EXCHANGE: Final = "app_exchange"
DEAD_LETTER_EXCHANGE: Final = "app_dlx"
MOST_CHILDREN: Final = 256  # processes of one worker
_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,62}")
_BINDING: Final = re.compile(r"[a-z][a-z0-9_]{0,62}\.\*")
_SHORTEST_LIFE: Final = timedelta(seconds=1)
_LONGEST_LIFE: Final = timedelta(days=7)  # a hint lies no longer in the broker (workers/celery/topology.py)


@dataclass(frozen=True, slots=True)
class Queue:
    """One queue with its dead-letter queue.

    Args:
        name: lower case, such as `report_queue`.
        binding: the topic pattern on `app_exchange`: one word and `.*`, such as `report.*`.
        dead_letter_queue: by default the name with `_dlq` instead of `_queue`.
        time_to_live: the time that a job may wait here before it expires, 1 second to 7 days; None is for ever.
        concurrency: worker processes of its group, by default; 1 to 256.
        purpose: a few words for lists.

    Raises:
        PluginError: says which of these is wrong and what to write instead.
    """

    name: str
    binding: str
    dead_letter_queue: str = ""
    time_to_live: timedelta | None = None
    concurrency: int = 1
    purpose: str = ""

    def __post_init__(self) -> None:
        if not self.dead_letter_queue:
            object.__setattr__(self, "dead_letter_queue", f"{self.name.removesuffix('_queue')}_dlq")
        problem = self._problem()
        if problem is not None:
            msg = f"Queue {self.name!r}: {problem}"
            raise PluginError(msg)

    def _problem(self) -> str | None:
        if not _NAME.fullmatch(self.name) or not _NAME.fullmatch(self.dead_letter_queue):
            return "names are lower-case letters, digits and _, 63 at most, such as report_queue and report_dlq"
        if self.dead_letter_queue == self.name:
            return "its dead-letter queue needs another name, such as report_dlq"
        if not _BINDING.fullmatch(self.binding):
            return f"binding={self.binding!r} must be one word and .* such as report.*"
        if self.time_to_live is not None and not _SHORTEST_LIFE <= self.time_to_live <= _LONGEST_LIFE:
            return f"time_to_live={self.time_to_live} must lie between {_SHORTEST_LIFE} and {_LONGEST_LIFE}, or be None"
        if not 1 <= self.concurrency <= MOST_CHILDREN:
            return f"concurrency={self.concurrency} must lie between 1 and {MOST_CHILDREN}"
        return None

    def routing_key(self, task: str) -> str:
        """Return the key that brings a hint of `task` into this queue: `*` in a binding stands for one word."""
        prefix = self.binding.removesuffix("*")
        word = task.removeprefix(prefix)
        return prefix + word.replace(".", "_")


class Queues(dict[str, Queue]):
    """The queues of this process by name, in the order in which they were declared."""

    def __init__(self) -> None:
        super().__init__()
        self._sources: dict[str, str] = {}

    def add(self, queue: Queue, source: str) -> None:
        """Add a queue that `source`, such as `plugin shop`, declares. Adding an equal one again changes nothing.

        Raises:
            PluginError: its name, dead-letter queue or binding is taken; the message names both sources.
        """
        if self.get(queue.name) == queue and self._sources[queue.name] == source:
            return
        for other in self.values():
            taken = _taken(queue, other)
            if taken is not None:
                msg = f"The queue {queue.name} of {source} takes {taken}, which {self._sources[other.name]} declares"
                raise PluginError(msg)
        self[queue.name] = queue
        self._sources[queue.name] = source

    def remove(self, name: str) -> None:
        """Forget a queue, as a test does with one that it declared.

        Raises:
            KeyError: there is none of this name.
        """
        del self[name], self._sources[name]


def _taken(queue: Queue, other: Queue) -> str | None:
    """Return what two queues would share, or None."""
    for name in (queue.name, queue.dead_letter_queue):
        if name in (other.name, other.dead_letter_queue):
            return f"the name {name}"
    # A hint whose key two bindings match would be delivered into both queues.
    return f"the binding {queue.binding}" if queue.binding == other.binding else None


PRIORITY_QUEUE: Final = Queue(
    "priority_queue", "priority.*", time_to_live=timedelta(minutes=5), purpose="any task posted with priority high"
)
NOTIFICATION_QUEUE: Final = Queue(
    "notification_queue",
    "notification.*",
    time_to_live=timedelta(minutes=30),
    concurrency=2,
    purpose="push, Slack, webhook, in-app, callbacks",
)
QUEUES: Final = Queues()  # never read at import: plugins add to it when they are loaded
for _queue in (
    Queue("user_queue", "user.*", concurrency=2, purpose="accounts"),
    Queue("email_queue", "email.*", time_to_live=timedelta(hours=1), concurrency=5, purpose="mail"),
    NOTIFICATION_QUEUE,
    Queue(
        "data_processing_queue",
        "processing.*",
        "processing_dlq",
        time_to_live=timedelta(hours=6),
        concurrency=2,
        purpose="records, aggregation",
    ),
    PRIORITY_QUEUE,
):
    QUEUES.add(_queue, "the platform")
