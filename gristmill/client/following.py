"""Follow one job: its state, its end, its events."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator
from typing import Final

import httpx

from gristmill.client.connection import Connection
from gristmill.client.errors import UnreachableError
from gristmill.client.events import EventParser
from gristmill.client.jobs import FINAL, JOBS, Event, Job
from gristmill.client.retries import Pauses, Problem, no_answer, read_answer
from gristmill.client.runtime import Request

LONGEST_WAIT: Final = 20.0  # seconds that one request waits for the end of a job
_OK: Final = 200


class Following:
    """The methods for one job, by its id."""

    _connection: Connection

    async def get(self, job_id: str) -> Job:
        """Return the current state of a job.

        Args:
            job_id: `Job.id`.

        Raises:
            NotFoundError: there is no such job, or it belongs to another producer.
            UnreachableError: no answer in time.
        """
        return Job.read(await self._connection.request("GET", f"{JOBS}/{job_id}"))

    async def wait(self, job_id: str, timeout: float = 60.0) -> Job:  # noqa: ASYNC109  the same in both clients
        """Return a job when it has ended, or its state after `timeout` seconds.

        The API is asked to answer when the job ends (a long poll). When it cannot hold the request, it is polled.

        Args:
            job_id: `Job.id`.
            timeout: seconds. An API that gives no answer is waited for by the client's own `timeout` in addition.

        Raises:
            NotFoundError: there is no such job, or it belongs to another producer.
            UnreachableError: no answer in time.
        """
        deadline = time.monotonic() + timeout
        pauses = Pauses(longest=2.0)
        while True:
            asked_at = time.monotonic()
            seconds = round(max(0.0, min(LONGEST_WAIT, deadline - asked_at)))
            job = await self._poll(job_id, seconds, max(deadline, asked_at) - asked_at)
            if job.has_ended or time.monotonic() >= deadline:
                return job
            if time.monotonic() - asked_at < seconds / 2 or not seconds:  # the API had no room for another long poll
                await self._connection.runtime.sleep(max(0.0, min(pauses.next(), deadline - time.monotonic())))

    async def _poll(self, job_id: str, seconds: int, left: float) -> Job:
        connection = self._connection
        patience = min(seconds + connection.patience, left + connection.timeout)
        path, timeout = f"{JOBS}/{job_id}", seconds + connection.timeout
        answer = await connection.request("GET", path, params={"wait": seconds}, patience=patience, timeout=timeout)
        return Job.read(answer)

    async def cancel(self, job_id: str) -> Job:
        """Cancel a job; a running job is asked to end.

        Args:
            job_id: `Job.id`.

        Raises:
            ConflictError: the job has succeeded, or is dead.
            NotFoundError: there is no such job, or it belongs to another producer.
            UnreachableError: no answer in time; ask again, a cancelled job stays so.
        """
        return Job.read(await self._connection.request("POST", f"{JOBS}/{job_id}/cancel"))

    async def events(
        self,
        job_id: str,
        timeout: float = 3600.0,  # noqa: ASYNC109  the same in both clients
    ) -> AsyncGenerator[Event, None]:
        """Yield the events of a job until it has ended, each once; a broken connection is resumed after the last event.

        Args:
            job_id: `Job.id`.
            timeout: seconds for all events. It is checked at least every five seconds, when the API answers, and at
                each timeout of the connection when it does not.

        Raises:
            NotFoundError: there is no such job, or it belongs to another producer.
            UnreachableError: `timeout` seconds are over.
        """
        deadline = time.monotonic() + timeout
        pauses = Pauses()
        last: str | None = None
        while True:
            stream = self._read_stream(job_id, last, deadline)
            problem: Problem | None = None
            try:
                async for item in stream:
                    if isinstance(item, Problem):
                        problem = item
                        break
                    last, pauses = item.id or last, Pauses()
                    yield item
                    if isinstance(item.data, dict) and item.data.get("state") in FINAL:
                        return
            finally:
                await stream.aclose()
            if problem is not None and not problem.may_pass:
                raise problem.error
            pause = problem.pause(pauses) if problem is not None else pauses.next()
            if time.monotonic() + pause > deadline:
                msg = f"The job {job_id} has not ended within {timeout:g} s"
                raise UnreachableError(msg) from (problem.error if problem is not None else None)
            await self._connection.runtime.sleep(pause)

    async def _read_stream(
        self, job_id: str, last: str | None, deadline: float
    ) -> AsyncGenerator[Event | Problem, None]:
        """Yield the events of one connection until it ends or breaks, and then its problem, if it has one."""
        connection = self._connection
        headers = {"Accept": "text/event-stream", **({"Last-Event-ID": last} if last else {})}
        request = Request("GET", f"{JOBS}/{job_id}/events", deadline, connection.timeout, headers=headers)
        parser = EventParser()
        try:
            async with connection.runtime.stream(request) as stream:
                if stream.status != _OK:
                    yield read_answer(connection.runtime.url, await stream.read())
                    return
                async for part in stream.chunks:
                    for event in parser.feed(part):
                        yield event
                    if time.monotonic() > deadline:  # a quiet stream has a comment every few seconds
                        return
        except httpx.RequestError as error:
            yield no_answer(connection.runtime.url, error)
