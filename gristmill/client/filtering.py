"""List, search, count and cancel jobs by a filter."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gristmill.client.body import plain
from gristmill.client.connection import Connection
from gristmill.client.jobs import JOBS, Job

_PAGE: Final = 100  # jobs that a page may have
_CANCEL_TIMEOUT: Final = 40.0  # seconds; one request cancels for fifteen, after some seconds of search


@dataclass(frozen=True)
class Count:
    """The number of jobs: `count`, or more than that when `more` is true."""

    count: int
    more: bool


@dataclass(frozen=True)
class Cancelled:
    """The outcome for the jobs that matched a filter.

    Attributes:
        matched: jobs that matched and had not ended; at most 10,000 in a dry run.
        cancelled: jobs that had not started, and are cancelled.
        asked: jobs that run; their workers are asked to end them.
    """

    matched: int
    cancelled: int
    asked: int


class Filtering:
    """The methods that select jobs by `state`, `task`, `queue`, `tag`, … and by any filter in `where`."""

    _connection: Connection

    def list_jobs(self, /, **filters: Any) -> AsyncGenerator[Job, None]:
        """Yield jobs, newest first, a hundred with each request.

        Args:
            filters: `state`, `task`, `queue`, `tag`, `created_after`, … as `GET /api/v1/jobs` takes them. A time is a
                datetime with a time zone.

        Raises:
            InvalidError: a filter is not valid.
            UnreachableError: no answer in time.
            ValueError: a time has no zone.
        """
        return _pages(lambda page: self._connection.request("GET", JOBS, params=page), _plain(filters))

    def search(self, /, where: Mapping[str, Any] | None = None, **filters: Any) -> AsyncGenerator[Job, None]:
        """Yield jobs, newest first, for which `where` is true.

        Args:
            where: a filter such as `{"field": "attempt", "gt": 2}`; see docs/filters.md.
            filters: as for `list_jobs`; all of them must be true as well.

        Raises:
            InvalidError: the filter is not valid, or too slow.
            UnreachableError: no answer in time.
        """
        return _pages(lambda page: self._ask("search", page), _body(where, filters))

    async def count(self, /, where: Mapping[str, Any] | None = None, **filters: Any) -> Count:
        """Return the number of jobs that match, up to 10,000; the arguments are those of `search`.

        Raises:
            InvalidError: the filter is not valid, or too slow.
            UnreachableError: no answer in time.
        """
        return Count(**await self._ask("count", _body(where, filters)))

    async def cancel_many(
        self, /, where: Mapping[str, Any] | None = None, *, every: bool = False, dry_run: bool = False, **filters: Any
    ) -> Cancelled:
        """Cancel the jobs that match and have not ended; running jobs are asked to end.

        The request is repeated until no job matches.

        Args:
            where: as for `search`, and so are the other filters.
            every: confirms that all jobs are meant when there is no filter.
            dry_run: only count the jobs.

        Raises:
            InvalidError: there is no filter, or it is not valid, or too slow.
            UnreachableError: no answer in time; what was cancelled until then stays so.
        """
        body = _body(where, filters) | ({"all": True} if every else {}) | {"dry_run": dry_run}
        matched = cancelled = asked = 0
        more = True
        while more:
            answer = await self._ask("cancel", body, patience=max(_CANCEL_TIMEOUT, self._connection.patience))
            matched += answer["matched"]
            cancelled, asked = cancelled + answer["cancelled"], asked + answer["asked"]
            more = answer["more"] and not dry_run
        return Cancelled(matched, cancelled, asked)

    async def _ask(self, act: str, body: Mapping[str, Any], patience: float | None = None) -> Any:
        return await self._connection.request(
            "POST", f"{JOBS}/{act}", body=body, patience=patience, timeout=patience and _CANCEL_TIMEOUT
        )


def _plain(filters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: plain(value) for name, value in filters.items()}


def _body(where: Mapping[str, Any] | None, filters: Mapping[str, Any]) -> dict[str, Any]:
    return _plain(filters) | ({} if where is None else {"where": where})


async def _pages(
    ask: Callable[[dict[str, Any]], Awaitable[Any]], wanted: Mapping[str, Any]
) -> AsyncGenerator[Job, None]:
    page = {"limit": _PAGE, **wanted}
    while True:
        answer = await ask(page)
        for item in answer["items"]:
            yield Job.read(item)
        if answer["next_cursor"] is None:
            return
        page["cursor"] = answer["next_cursor"]
