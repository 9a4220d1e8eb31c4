"""Wait for jobs to move: one connection listens for all requests of this process."""

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
LONGEST_WAIT: Final = 20.0  # seconds; below the 25 that a process has to finish its requests when it stops
_POLL: Final = 1_000  # milliseconds between two checks whether any request waits
_IDLE: Final = 30.0  # seconds for which the connection is kept when no request waits
_PAUSE: Final = 0.5  # seconds between two tries to connect
_CONNECT_PATIENCE: Final = 5.0  # seconds that a follower waits for the connection
_MARKED: Final = 60.0  # seconds for which a follower's mark is valid; it is renewed after half of them


class Follower:
    """One request that follows a job. The connection listens first, then the job is marked, then it is read.

    So the move that ends a job either commits before the mark, and the job is found ended, or sees the mark and
    notifies.

    Attributes:
        job_id: the job whose moves wake the follower.
        ends_only: whether only the job's end wakes it.
    """

    def __init__(self, followers: Followers, job_id: UUID, *, ends_only: bool) -> None:
        self.ends_only = ends_only
        self._followers = followers
        self.job_id = job_id
        self._woken = threading.Event()
        self._marked_until = 0.0

    def wake(self) -> None:
        """Let it read the job again: the job has moved, or a notification may have been missed."""
        self._woken.set()

    def listen(self, patience: float = _CONNECT_PATIENCE) -> bool:
        """Make sure that every later move wakes this follower.

        Returns:
            False when there is no connection within `patience` seconds, or this process is stopping.
        """
        self._woken.clear()  # first: a wake-up from here on means that the job must be read once more
        return self._followers.connected.wait(min(patience, _CONNECT_PATIENCE)) and not self._followers.closing

    def mark(self, seconds: float) -> bool:
        """Ask the moves of the job to notify, for `seconds`. Return False when it has ended, or does not exist."""
        self._marked_until = time.monotonic() + seconds
        with self._followers.database.transaction() as session:
            return request_notification(session, self.job_id, seconds=seconds)

    def keep_mark(self) -> None:
        """Renew the mark of a long stream."""
        if self._marked_until - time.monotonic() < _MARKED / 2:
            self.mark(_MARKED)

    def wait(self, seconds: float) -> bool:
        """Return whether it was woken within `seconds`."""
        return self._woken.wait(seconds)


class Followers:
    """The followers of one process: up to `most` requests wait for an end, up to `streams` for every move."""

    def __init__(self, database: Database, *, most: int, streams: int) -> None:
        self.database = database
        self.connected = threading.Event()
        self.closing = False
        self._room = threading.BoundedSemaphore(most)
        self._stream_room = threading.BoundedSemaphore(streams)
        self._lock = threading.Lock()
        self._followers: dict[UUID, set[Follower]] = {}
        self._thread: threading.Thread | None = None

    @property
    def long_polls(self) -> int:
        """The number of requests that wait for an end."""
        return self._count(ends_only=True)

    @property
    def streams(self) -> int:
        """The number of requests that follow every move."""
        return self._count(ends_only=False)

    def _count(self, *, ends_only: bool) -> int:
        with self._lock:
            return sum(each.ends_only is ends_only for followers in self._followers.values() for each in followers)

    def wait(self, job_id: UUID, seconds: float) -> None:
        """Return when the job has ended, after `seconds` at the latest; at once when too many requests wait."""
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
        """Yield a follower of all moves of a job; None when there are too many streams."""
        if self.closing or not self._stream_room.acquire(blocking=False):
            yield None
            return
        try:
            with self._following(Follower(self, job_id, ends_only=False)) as follower:
                yield follower
        finally:
            self._stream_room.release()

    def close(self) -> None:
        """End all waits, because this process is stopping."""
        self.closing = True
        with self._lock:
            job_ids = list(self._followers)
        self._wake(job_ids)

    @contextmanager
    def _following(self, follower: Follower) -> Iterator[Follower]:
        job_id = follower.job_id
        with self._lock:
            self._followers.setdefault(job_id, set()).add(follower)
            if self._thread is None:
                self._thread = threading.Thread(target=self._listen, name="followers", daemon=True)
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
        """Keep one connection that listens, until no request has waited for a while."""
        while True:
            try:
                self._receive()
            except Exception as error:  # noqa: BLE001  without this thread no follower would be woken
                log.warning("wait.connection_lost", error=type(error).__name__)
                time.sleep(_PAUSE)
            self.connected.clear()
            with self._lock:
                if not self._followers:
                    self._thread = None
                    return
                missed = list(self._followers)
            self._wake(missed)  # notifications of the meantime are lost: each reads its job again

    def _receive(self) -> None:
        connection = listening(self.database.settings, MOVED_CHANNEL, application_name="gristmill web (listen)")
        try:
            self.connected.set()
            poller = select.poll()  # select.select() accepts no descriptor above 1023, and each client has one
            poller.register(connection, select.POLLIN)
            used_at = time.monotonic()
            while self._followers or time.monotonic() - used_at < _IDLE:
                if self._followers:
                    used_at = time.monotonic()
                if poller.poll(_POLL):
                    connection.poll()
                    for notice in connection.notifies:
                        job_id, _, state = notice.payload.partition(" ")
                        self._wake([UUID(job_id)], has_ended=state in FINAL)
                    connection.notifies.clear()
        finally:
            connection.close()

    def _wake(self, job_ids: list[UUID], *, has_ended: bool = True) -> None:
        with self._lock:
            for job_id in job_ids:
                for follower in self._followers.get(job_id, ()):
                    if has_ended or not follower.ends_only:
                        follower.wake()
