"""The client: post jobs, follow them, and spool them while the API is unreachable."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Final, Self
from uuid import uuid4

import httpx

from gristmill_client.body import job_body, plain
from gristmill_client.errors import (
    ApiError,
    UnavailableError,
    UnreachableError,
    error_of,
)
from gristmill_client.events import read_events
from gristmill_client.filtering import JOBS, Filtering
from gristmill_client.flushing import Flusher
from gristmill_client.jobs import FINAL, SPOOLED, Event, Job
from gristmill_client.spool import Flushed, Refused, Spool
from gristmill_client.transport import RETRIED, Pauses, Transport, never_arrived

BATCH: Final = 1_000  # entries that a batch may have
LONGEST_WAIT: Final = 20.0  # seconds that one request waits for the end of a job
SPOOL_PATIENCE: Final = 2.0  # seconds that a post is tried before the job goes into the spool


class Client(Filtering):
    """A producer's client for one Gristmill. Threads may share it.

    Args:
        url: the URL of the API; by default the environment variable `GRISTMILL_URL`.
        api_key: by default `GRISTMILL_API_KEY`. It appears in no repr and no error.
        timeout: seconds without a byte after which one try of a request is abandoned.
        patience: seconds for all tries of a request.
        spool: a file for jobs that are posted while the API is unreachable; they are sent later, once, in order.
        spool_limit: the number of jobs that the file may hold.
        flush_every: seconds between two tries to empty the spool, in a thread; 0 starts no thread.

    Raises:
        ValueError: there is no URL or no key.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        *,
        timeout: float = 10.0,
        patience: float = 30.0,
        spool: str | Path | None = None,
        spool_limit: int = 100_000,
        flush_every: float = 5.0,
    ) -> None:
        url = url or os.environ.get("GRISTMILL_URL")
        api_key = api_key or os.environ.get("GRISTMILL_API_KEY")
        if not url or not api_key:
            msg = "Give url and api_key, or set GRISTMILL_URL and GRISTMILL_API_KEY"
            raise ValueError(msg)
        self._transport = Transport(url, api_key, timeout=timeout, patience=patience)
        self._spool = Spool(spool, limit=spool_limit) if spool is not None else None
        self._flusher = Flusher(self._spool, self._send_spooled, every=flush_every) if self._spool is not None else None

    def __repr__(self) -> str:
        return f"Client({self._transport.url!r})"

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections and the spool; its jobs stay in the file."""
        if self._flusher is not None:
            self._flusher.close()
        if self._spool is not None:
            self._spool.close()
        self._transport.close()

    # Post.

    def post(
        self,
        task: str,
        args: Mapping[str, Any] | None = None,
        *,
        delay: float | timedelta | None = None,
        run_at: datetime | None = None,
        priority: str | None = None,
        expires_at: datetime | None = None,
        max_attempts: int | None = None,
        unique_key: str | None = None,
        callback_url: str | None = None,
        tags: Sequence[str] | None = None,
        idempotency_key: str | None = None,
    ) -> Job:
        """Post a job. Any number of tries makes one job.

        Args:
            delay: seconds, or a timedelta, from now; instead of `run_at`.
            idempotency_key: by default a new key; pass your own to avoid duplicates across restarts of your program.

        Raises:
            ApiError: the API refused the job; the subclass tells the kind of refusal.
            UnreachableError: no answer in time. With a spool the job is kept instead.
            SpoolFullError: the spool is full.
        """
        body = job_body(
            task,
            args,
            delay=delay,
            run_at=run_at,
            priority=priority,
            expires_at=expires_at,
            max_attempts=max_attempts,
            unique_key=unique_key,
            callback_url=callback_url,
            tags=tags,
        )
        key = idempotency_key or uuid4().hex
        if self._spool is None:
            return self._post(body, key, None)
        if self._spool.count():  # a job must not overtake those in the spool
            return self._keep(body, key, tried=False)
        try:
            return self._post(body, key, SPOOL_PATIENCE)
        except (UnavailableError, UnreachableError) as error:
            return self._keep(body, key, tried=not never_arrived(error))

    def _post(self, body: Mapping[str, Any], key: str, patience: float | None) -> Job:
        answer = self._transport.request("POST", JOBS, json=body, headers={"Idempotency-Key": key}, patience=patience)
        return Job.read(answer.json(), idempotency_key=key)

    def _keep(self, body: dict[str, Any], key: str, *, tried: bool) -> Job:
        assert self._spool is not None  # noqa: S101  the caller checked
        if not tried and "delay" in body:  # a delay counts from now; the body of a job that was tried must not change
            due = datetime.now(UTC) + timedelta(seconds=body.pop("delay"))
            body["run_at"] = plain(due)
        self._spool.add(body, key, tried=tried)
        return Job(id=None, task=body["task"], state=SPOOLED, idempotency_key=key)

    def post_many(self, jobs: Iterable[Mapping[str, Any]], *, atomic: bool = False) -> list[Job | ApiError]:
        """Post many jobs, a thousand in each request.

        Args:
            jobs: results of `job_body`, or the JSON of `POST /api/v1/jobs`; an entry without an
                `idempotency_key` gets one.
            atomic: accept all jobs or none; at most a thousand.

        Returns:
            For each entry, in order, the job or the error that refused it.

        Raises:
            ApiError: a whole request was refused; with `atomic`, one refused job refuses the request.
            UnreachableError: no answer in time; the jobs of previous requests are accepted.
            ValueError: more than a thousand jobs with `atomic`.
        """
        entries = [{"idempotency_key": uuid4().hex, **job} for job in jobs]
        if atomic and len(entries) > BATCH:
            msg = f"{len(entries)} jobs cannot be accepted all or none; a request takes {BATCH}"
            raise ValueError(msg)
        results: list[Job | ApiError] = []
        for first in range(0, len(entries), BATCH):
            results += self._post_batch(entries[first : first + BATCH], atomic=atomic)
        return results

    def _post_batch(
        self, entries: Sequence[Mapping[str, Any]], *, atomic: bool, patience: float | None = None
    ) -> list[Job | ApiError]:
        body = {"jobs": entries, "atomic": atomic}
        answer = self._transport.request("POST", f"{JOBS}/batch", json=body, patience=patience)
        return [
            error_of(0, result)
            if "error" in result
            else Job.read(result, idempotency_key=str(entry["idempotency_key"]))
            for entry, result in zip(entries, answer.json()["results"], strict=True)
        ]

    # Follow.

    def get(self, job_id: str) -> Job:
        """Return the current state of a job.

        Raises:
            NotFoundError: there is no such job, or it belongs to another producer.
        """
        return Job.read(self._transport.request("GET", f"{JOBS}/{job_id}").json())

    def wait(self, job_id: str, timeout: float = 60.0) -> Job:
        """Return a job when it has ended, or its state after `timeout` seconds.

        The API is asked to answer when the job ends (a long poll); when it cannot hold the request, it is polled.
        """
        deadline = time.monotonic() + timeout
        pauses = Pauses(longest=2.0)
        while True:
            asked_at = time.monotonic()
            seconds = max(0.0, min(LONGEST_WAIT, deadline - asked_at))
            answer = self._transport.request(
                "GET", f"{JOBS}/{job_id}", params={"wait": f"{seconds:.0f}"}, timeout=seconds + 10
            )
            job = Job.read(answer.json())
            if job.has_ended or time.monotonic() >= deadline:
                return job
            if time.monotonic() - asked_at < seconds / 2:  # the API had no room for another long poll
                time.sleep(max(0.0, min(pauses.next(), deadline - time.monotonic())))

    def cancel(self, job_id: str) -> Job:
        """Cancel a job; a running job is asked to end.

        Raises:
            ConflictError: the job has succeeded, or is dead.
        """
        return Job.read(self._transport.request("POST", f"{JOBS}/{job_id}/cancel").json())

    def events(self, job_id: str, timeout: float = 3600.0) -> Iterator[Event]:
        """Yield the events of a job until it has ended; a broken connection is resumed after the last event.

        Raises:
            UnreachableError: `timeout` seconds are over, which is checked at least every five seconds.
        """
        deadline = time.monotonic() + timeout
        pauses = Pauses()
        last: str | None = None
        while True:
            headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
            stream = self._transport.http.stream("GET", f"{JOBS}/{job_id}/events", headers=headers)
            with suppress(httpx.TransportError), stream as answer:
                if answer.status_code == httpx.codes.OK:
                    for event in read_events(_until(deadline, answer.iter_lines())):
                        last = event.id or last
                        pauses = Pauses()
                        yield event
                        if isinstance(event.data, dict) and event.data.get("state") in FINAL:
                            return
                elif answer.status_code not in RETRIED:
                    answer.read()
                    raise error_of(answer.status_code, answer.json())
            pause = pauses.next()
            if time.monotonic() + pause > deadline:
                msg = f"The job {job_id} has not ended within {timeout:g} s"
                raise UnreachableError(msg)
            time.sleep(pause)

    # The spool.

    @property
    def spooled(self) -> int:
        """The number of jobs in the spool."""
        return self._spool.count() if self._spool is not None else 0

    @property
    def refused(self) -> list[Refused]:
        """Spooled jobs that the API refused: correct and post them again, then call `forget`."""
        return self._spool.refused() if self._spool is not None else []

    def forget(self, refused: Refused) -> None:
        """Delete a refused job from the spool."""
        if self._spool is not None:
            self._spool.forget(refused.number)

    def flush(self) -> Flushed:
        """Send the jobs of the spool, as far as the API accepts them. Any process that shares the file may do so."""
        return self._flusher.flush() if self._flusher is not None else Flushed(0, 0, 0)

    def _send_spooled(self, bodies: Sequence[Mapping[str, Any]]) -> list[Job | ApiError]:
        return self._post_batch(bodies, atomic=False, patience=SPOOL_PATIENCE)


def _until(deadline: float, lines: Iterator[str]) -> Iterator[str]:
    """Yield the lines of a stream until the deadline; a quiet stream has a line every few seconds, too."""
    for line in lines:
        yield line
        if time.monotonic() > deadline:
            return
