"""Follow jobs: one connection that listens for all who wait in this process."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from gristmill.shared.database.connect import listening
from gristmill.shared.jobs.follow import request_notification
from gristmill.shared.jobs.move_statement import MOVED_CHANNEL
from gristmill.shared.states import FINAL

if TYPE_CHECKING:
    from gristmill.shared.database.connect import Database

log = structlog.get_logger(__name__)
LONGEST_WAIT: Final = 20.0  # seconds; below the 25 that a process has to finish its requests when it is to end
_LOOK: Final = 1_000  # milliseconds between two looks whether anybody waits
_LINGER: Final = 30.0  # seconds that the connection is kept when nobody waits any more
_PAUSE: Final = 0.5  # seconds between two tries to connect
_CONNECT_PATIENCE: Final = 5.0  # seconds that one who waits gives the connection to come up
_MARKED: Final = 60.0  # seconds that a follower's mark is good for; it is renewed when half of them are over


class Follower:
    """One who follows a job. It is first heard (the connection listens), then marks its job, then looks.

    So the move that ends a job either commits before the mark, and the look finds it ended, or sees the mark and tells.

    Attributes:
        job_id: whose moves it is called for.
        ends_only: whether it is called for the job's end alone.
    """

    def __init__(self, waiters: Waiters, job_id: UUID, *, ends_only: bool) -> None:
        self.ends_only = ends_only
        self._waiters = waiters
        self.job_id = job_id
        self._called = threading.Event()
        self._marked_until = 0.0

    def call(self) -> None:
        """Let it look again: the job has moved, or something may have been missed."""
        self._called.set()

    def listen(self, patience: float = _CONNECT_PATIENCE) -> bool:
        """Make sure of being called for what comes from here on.

        Returns:
            False when the connection does not come up within `patience` seconds, or this process is to end.
        """
        self._called.clear()  # first: a call that comes from here on tells that this look is not the last one
        return self._waiters.listens.wait(min(patience, _CONNECT_PATIENCE)) and not self._waiters.closing

    def mark(self, seconds: float) -> bool:
        """Ask the moves of the job to tell, for `seconds`. False when it has ended, or is not there."""
        self._marked_until = time.monotonic() + seconds
        with self._waiters.database.transaction() as session:
            return request_notification(session, self.job_id, seconds=seconds)

    def keep_mark(self) -> None:
        """Renew the mark of one who follows for long."""
        if self._marked_until - time.monotonic() < _MARKED / 2:
            self.mark(_MARKED)

    def wait(self, seconds: float) -> bool:
        """Return whether it was called within `seconds`."""
        return self._called.wait(seconds)


class Waiters:
    """Lets threads wait for jobs: up to `most` for ends, up to `streams` for all that happens."""

    def __init__(self, database: Database, *, most: int, streams: int) -> None:
        self.database = database
        self.listens = threading.Event()
        self.closing = False
        self._room = threading.BoundedSemaphore(most)
        self._stream_room = threading.BoundedSemaphore(streams)
        self._lock = threading.Lock()
        self._followers: dict[UUID, set[Follower]] = {}
        self._thread: threading.Thread | None = None

    @property
    def waiting(self) -> int:
        """How many wait for an end."""
        return self._count(ends_only=True)

    @property
    def streaming(self) -> int:
        """How many follow all that happens."""
        return self._count(ends_only=False)

    def _count(self, *, ends_only: bool) -> int:
        with self._lock:
            return sum(each.ends_only is ends_only for followers in self._followers.values() for each in followers)

    def wait(self, job_id: UUID, seconds: float) -> None:
        """Return when the job has ended, after `seconds` at the latest; at once when too many wait already."""
        deadline = time.monotonic() + min(seconds, LONGEST_WAIT)
        if not self._room.acquire(blocking=False):
            log.warning("wait.no_room", job_id=str(job_id))
            return
        try:
            with self._following(Follower(self, job_id, ends_only=True)) as follower, suppress(SQLAlchemyError):
                while (left := deadline - time.monotonic()) > 0 and follower.listen(left) and follower.mark(left):
                    follower.wait(max(0.0, deadline - time.monotonic()))
        finally:
            self._room.release()

    @contextmanager
    def follow(self, job_id: UUID) -> Iterator[Follower | None]:
        """Yield one who follows all moves of a job; None when too many do already."""
        if self.closing or not self._stream_room.acquire(blocking=False):
            yield None
            return
        try:
            with self._following(Follower(self, job_id, ends_only=False)) as follower:
                yield follower
        finally:
            self._stream_room.release()

    def close(self) -> None:
        """Let all who wait come to their ends: this process is about to."""
        self.closing = True
        with self._lock:
            everybody = list(self._followers)
        self._call(everybody)

    @contextmanager
    def _following(self, follower: Follower) -> Iterator[Follower]:
        job_id = follower.job_id
        with self._lock:
            self._followers.setdefault(job_id, set()).add(follower)
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, name="waiters", daemon=True)
                self._thread.start()
        try:
            yield follower
        finally:
            with self._lock:
                others = self._followers[job_id]
                others.discard(follower)
                if not others:
                    del self._followers[job_id]

    def _listen(self) -> None:
        """Keep one connection that listens, until nobody has waited for a while."""
        while True:
            try:
                self._hear()
            except Exception as error:  # noqa: BLE001  without this thread nobody would be told any more
                log.warning("wait.connection_lost", error=type(error).__name__)
                time.sleep(_PAUSE)
            self.listens.clear()
            with self._lock:
                if not self._followers:
                    self._thread = None
                    return
                missed = list(self._followers)
            self._call(missed)  # what came meanwhile was not heard: each looks again

    def _hear(self) -> None:
        ear = listening(self.database.settings, MOVED_CHANNEL, application_name="gristmill web (listen)")
        try:
            self.listens.set()
            reading = select.poll()  # select.select() takes no descriptor above 1023, and each client has one
            reading.register(ear, select.POLLIN)
            needed_at = time.monotonic()
            while self._followers or time.monotonic() - needed_at < _LINGER:
                if self._followers:
                    needed_at = time.monotonic()
                if reading.poll(_LOOK):
                    ear.poll()
                    for notice in ear.notifies:
                        job_id, _, state = notice.payload.partition(" ")
                        self._call([UUID(job_id)], has_ended=state in FINAL)
                    ear.notifies.clear()
        finally:
            ear.close()

    def _call(self, job_ids: list[UUID], *, has_ended: bool = True) -> None:
        with self._lock:
            for job_id in job_ids:
                for follower in self._followers.get(job_id, ()):
                    if has_ended or not follower.ends_only:
                        follower.call()
