"""A broker in memory that loses, doubles and reorders hints, gives them up, and refuses some."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import Any
from uuid import UUID

from celery import Celery

from gristmill.shared.queues import QUEUES
from gristmill.workers.broker_errors import PublishError
from gristmill.workers.relay.hint import Hint, message_of


@dataclass
class DeadMessage:
    """What `basic_get` gives of a dead-letter queue, as kombu's messages look."""

    delivery_tag: int
    headers: dict[str, Any]
    properties: dict[str, Any]
    body: bytes
    content_type: str = "application/json"


@dataclass
class Broker:
    """Takes hints from relays, gives them to workers in any order, and keeps dead ones for the recorder."""

    app: Celery
    ready: list[Hint] = field(default_factory=list)
    dead: dict[str, list[DeadMessage]] = field(default_factory=dict)
    unacknowledged: dict[int, tuple[str, DeadMessage]] = field(default_factory=dict)
    refuses_after: int | None = None
    _tags: Any = field(default_factory=lambda: count(1))

    # What a relay sees of it.
    def connect(self) -> None:
        pass

    def publish(self, hints: Sequence[Hint]) -> None:
        """Take `hints`; when it is to refuse, it has taken the first ones by then."""
        limit, self.refuses_after = self.refuses_after, None
        if limit is None:
            self.ready += hints
            return
        self.ready += hints[:limit]
        msg = "refused, as it was asked to"
        raise PublishError(msg)

    def depth(self, queue: str) -> int:
        return sum(hint.queue == queue for hint in self.ready)

    # What the reconciler sees.
    def count_ready(self) -> dict[str, int]:
        return {name: sum(hint.queue == name for hint in self.ready) for name in QUEUES}

    # What the recorder sees.
    def channel(self) -> "Broker":
        return self

    def forget(self) -> None:
        """The connection ends: what was not acknowledged is there again."""
        for queue, message in self.unacknowledged.values():
            self.dead.setdefault(queue, []).append(message)
        self.unacknowledged.clear()

    def basic_get(self, queue: str, *, no_ack: bool) -> DeadMessage | None:
        assert not no_ack
        waiting = self.dead.get(queue)
        if not waiting:
            return None
        message = waiting.pop(0)
        self.unacknowledged[message.delivery_tag] = (queue, message)
        return message

    def basic_ack(self, delivery_tag: int) -> None:
        del self.unacknowledged[delivery_tag]

    # What goes wrong inside.
    def take(self, position: int) -> Hint:
        return self.ready.pop(position % len(self.ready))

    def bury(self, hint: Hint, reason: str) -> None:
        """Put a hint into its dead-letter queue, as the broker does that gives it up, or a worker that rejects it."""
        headers, properties, body = message_of(self.app, hint)
        headers = {**headers, "x-death": [{"queue": hint.queue, "reason": reason, "count": 1}]}
        queue = QUEUES[hint.queue].dead_letter_queue
        self.dead.setdefault(queue, []).append(DeadMessage(next(self._tags), headers, properties, body))

    def mentions(self) -> set[UUID]:
        """The jobs that some hint is about."""
        return {job_id for hint in self.ready for job_id in hint.job_ids}

    def clear(self) -> None:
        self.ready.clear()
        self.dead.clear()
        self.unacknowledged.clear()
        self.refuses_after = None
