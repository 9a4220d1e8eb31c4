"""Find hints that the broker has lost, and have them published again; a healthy backlog is never touched."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

import structlog

from gristmill.shared.jobs.hints import find_unhinted, find_watermark, hint_again
from gristmill.shared.operating.queries_pause import find_control
from gristmill.shared.queues import QUEUES

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.database.connect import Database

log = structlog.get_logger(__name__)

Suspects = set[tuple[UUID, int]]

GRACE: Final = 2.0  # seconds that a due job may be on its way between the relay and a worker
OVERTAKEN_BY: Final = timedelta(seconds=30)  # more than relays differ in what they publish first
MOST_SUSPECTS: Final = 1_000  # jobs of a queue checked in one round
RATE: Final = 100.0  # hints a second that may be published again, over a longer time
BURST: Final = 1_000.0


@dataclass(slots=True)
class TokenBucket:
    """Lets `rate` things a second pass, and up to `burst` at once after a quiet time."""

    rate: float = RATE
    burst: float = BURST
    clock: Callable[[], float] = time.monotonic
    _tokens: float = field(init=False)
    _at: float = field(init=False)

    def __post_init__(self) -> None:
        """Begin full."""
        self._tokens, self._at = self.burst, self.clock()

    def take(self, wanted: int) -> int:
        """Return how many of `wanted` may pass now."""
        now = self.clock()
        self._tokens = min(self.burst, self._tokens + (now - self._at) * self.rate)
        self._at = now
        granted = min(wanted, int(self._tokens))
        self._tokens -= granted
        return granted


class LostHints:
    """Finds lost hints by two rules, each of which must find the same job twice in a row.

    *The queue is empty:* no hint waits in it. So a due job that nobody has claimed and that has none in the outbox has
    no hint at all. (Workers take no more hints than they execute, so none is parked in one.)
    *It was overtaken:* jobs that were due well after it are being executed. Queues are first in, first out, so its hint
    is gone or is with a worker that hangs.

    In a backlog the queue is not empty and nothing is overtaken, however long it takes. Paused queues are left out.
    Hints that were held come after younger ones: the second rule starts again when they were released.
    """

    def __init__(
        self, database: Database, count_ready: Callable[[], dict[str, int]], *, bucket: TokenBucket | None = None
    ) -> None:
        self._database = database
        self._count_ready = count_ready
        self._bucket = bucket or TokenBucket()
        self._unhinted_when_empty: dict[str, Suspects] = {}
        self._overtaken: dict[str, Suspects] = {}

    def look(self) -> int:
        """Check every queue once; returns how many hints are published again."""
        ready = self._count_ready()
        return sum(self._check(queue, ready[queue]) for queue in QUEUES)

    def forget(self) -> None:
        """Start again with the first check, because the broker could not be reached in between."""
        self._unhinted_when_empty.clear()
        self._overtaken.clear()

    def _check(self, queue: str, ready: int) -> int:
        with self._database.transaction() as session:
            control = find_control(session, queue)
            if control.paused_at is not None:
                self._unhinted_when_empty[queue] = self._overtaken[queue] = set()
                return 0
            empty = find_unhinted(session, queue, grace=GRACE, limit=MOST_SUSPECTS) if ready == 0 else set()
            overtaken = _find_overtaken(session, queue, control.released_at)
            lost = empty & self._unhinted_when_empty.get(queue, set())
            lost |= overtaken & self._overtaken.get(queue, set())
            self._unhinted_when_empty[queue], self._overtaken[queue] = empty, overtaken
            chosen = sorted(job_id for job_id, _ in lost)[: self._bucket.take(len(lost))]
            again = hint_again(session, chosen, delay=timedelta(0)) if chosen else set()
        if again:
            log.warning("hints.lost", queue=queue, hints=len(again), empty=ready == 0)
        return len(again)


def _find_overtaken(session: Session, queue: str, released_at: datetime | None) -> Suspects:
    watermark = find_watermark(session, queue)
    if watermark is None:
        return set()
    before = watermark - OVERTAKEN_BY
    if released_at is not None and released_at >= before:
        return set()
    return find_unhinted(session, queue, grace=GRACE, limit=MOST_SUSPECTS, before=before)
