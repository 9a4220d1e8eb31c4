"""Post jobs, one or many; keep them in the spool while the API is unreachable."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import uuid4

from gristmill.client.body import job_body
from gristmill.client.connection import Connection
from gristmill.client.errors import ApiError, NotSpooledError, UnavailableError, UnreachableError, error_of
from gristmill.client.jobs import JOBS, Job
from gristmill.client.spool.async_spool import AsyncSpool

BATCH: Final = 1_000  # entries that a batch may have
SPOOL_PATIENCE: Final = 2.0  # seconds that a post is tried before the job goes into the spool


class Posting:
    """The methods that make jobs."""

    _connection: Connection
    _spool: AsyncSpool | None

    async def post(
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
            task: the name of the task, as `GET /api/v1/tasks` lists it.
            args: its arguments, as JSON allows them.
            delay: seconds, or a timedelta, from now; instead of `run_at`.
            run_at: the time from which the job may run, with a time zone.
            priority: `high`, `normal` or `low`; `normal` by default.
            expires_at: the time after which the job is not begun any more, with a time zone.
            max_attempts: the largest number of attempts, instead of the task's.
            unique_key: while a job with this key has not ended, no other is made: you get that one.
            callback_url: the URL to which the end of the job is posted; see `verify_callback`.
            tags: words to find the job by.
            idempotency_key: by default a new key. Pass your own to avoid duplicates across restarts of your program.

        Returns:
            The accepted job; with a spool, a job without id in the state `SPOOLED` when the API is unreachable.

        Raises:
            ApiError: the API refused the job; the subclass tells the kind of refusal.
            UnreachableError: no answer in time. With a spool the job is kept instead.
            NotSpooledError: no answer in time, and the job has secret arguments, which are never kept.
            SpoolError: no answer in time, and the spool cannot keep the job, as when it is full (`SpoolFullError`).
            ValueError: a time has no zone, or a value is no JSON.
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
            return await self._post(body, key, None)
        return await self._post_or_keep(self._spool, body, key)

    async def _post(self, body: Mapping[str, Any], key: str, patience: float | None) -> Job:
        answer = await self._connection.request(
            "POST", JOBS, body=body, headers={"Idempotency-Key": key}, patience=patience
        )
        return Job.read(answer, idempotency_key=key)

    async def _post_or_keep(self, spool: AsyncSpool, body: dict[str, Any], key: str) -> Job:
        spool.start()
        kept, secret = await spool.look(body)
        if secret:
            return await self._post_secret(body, key, secret)
        if kept:  # a job must not overtake those in the spool
            return await spool.keep(body, key, tried=False)
        try:
            job = await self._post(body, key, min(SPOOL_PATIENCE, self._connection.patience))
        except (UnavailableError, UnreachableError) as error:
            tried = error.may_have_arrived or isinstance(error, UnavailableError)  # its commit may have an unknown end
            return await spool.keep(body, key, tried=tried)
        await spool.learn_secret_args()
        return job

    async def _post_secret(self, body: dict[str, Any], key: str, secret: Sequence[str]) -> Job:
        try:
            return await self._post(body, key, None)
        except (UnavailableError, UnreachableError) as error:
            raise NotSpooledError(body["task"], secret, error) from error

    async def post_many(self, jobs: Iterable[Mapping[str, Any]], *, atomic: bool = False) -> list[Job | ApiError]:
        """Post many jobs, a thousand in each request. They are never kept in the spool.

        Args:
            jobs: results of `job_body`, or the JSON of `POST /api/v1/jobs`. An entry without an `idempotency_key`
                gets one.
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
            results += await self._post_batch(entries[first : first + BATCH], atomic=atomic)
        return results

    async def _post_batch(
        self, entries: Sequence[Mapping[str, Any]], *, atomic: bool, patience: float | None = None
    ) -> list[Job | ApiError]:
        body = {"jobs": entries, "atomic": atomic}
        answer = await self._connection.request("POST", f"{JOBS}/batch", body=body, patience=patience)
        return [
            error_of(0, result)
            if "error" in result
            else Job.read(result, idempotency_key=str(entry["idempotency_key"]))
            for entry, result in zip(entries, answer["results"], strict=True)
        ]

    async def _send_spooled(self, bodies: Sequence[Mapping[str, Any]]) -> list[Job | ApiError]:
        return await self._post_batch(bodies, atomic=False, patience=min(SPOOL_PATIENCE, self._connection.patience))
