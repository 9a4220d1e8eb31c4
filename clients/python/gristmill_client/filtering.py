"""List, search, count and cancel jobs by a filter."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gristmill_client.body import plain
from gristmill_client.jobs import Job
from gristmill_client.transport import Transport

JOBS: Final = "/api/v1/jobs"
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

    _transport: Transport

    def list_jobs(self, **filters: Any) -> Iterator[Job]:
        """Yield jobs, newest first; `state`, `task`, `queue`, `tag`, `created_after`, … as `GET /api/v1/jobs` takes."""
        return _pages(lambda page: self._transport.request("GET", JOBS, params=page).json(), _plain(filters))

    def search(self, where: Mapping[str, Any] | None = None, **filters: Any) -> Iterator[Job]:
        """Yield jobs, newest first, for which `where` is true: a filter such as `{"field": "attempt", "gt": 2}`.

        Raises:
            InvalidError: the filter is not valid, or too slow.
        """
        return _pages(lambda page: self._ask("search", page), _body(where, filters))

    def count(self, where: Mapping[str, Any] | None = None, **filters: Any) -> Count:
        """Return the number of jobs that match, up to 10,000.

        Raises:
            InvalidError: the filter is not valid, or too slow.
        """
        return Count(**self._ask("count", _body(where, filters)))

    def cancel_many(
        self, where: Mapping[str, Any] | None = None, *, every: bool = False, dry_run: bool = False, **filters: Any
    ) -> Cancelled:
        """Cancel the jobs that match and have not ended; running jobs are asked to end.

        Args:
            every: confirms that all jobs are meant when there is no filter.
            dry_run: only count the jobs.

        Raises:
            InvalidError: there is no filter, or it is not valid, or too slow.
        """
        body = _body(where, filters) | ({"all": True} if every else {}) | {"dry_run": dry_run}
        matched = cancelled = asked = 0
        more = True
        while more:
            answer = self._ask("cancel", body, timeout=_CANCEL_TIMEOUT)
            matched += answer["matched"]
            cancelled, asked = cancelled + answer["cancelled"], asked + answer["asked"]
            more = answer["more"] and not dry_run
        return Cancelled(matched, cancelled, asked)

    def _ask(self, act: str, body: Mapping[str, Any], timeout: float | None = None) -> Any:
        return self._transport.request("POST", f"{JOBS}/{act}", json=body, timeout=timeout).json()


def _plain(filters: Mapping[str, Any]) -> dict[str, Any]:
    return {name: plain(value) for name, value in filters.items()}


def _body(where: Mapping[str, Any] | None, filters: Mapping[str, Any]) -> dict[str, Any]:
    return _plain(filters) | ({} if where is None else {"where": where})


def _pages(ask: Callable[[dict[str, Any]], Any], wanted: Mapping[str, Any]) -> Iterator[Job]:
    page = {"limit": _PAGE, **wanted}
    while True:
        answer = ask(page)
        yield from map(Job.read, answer["items"])
        if answer["next_cursor"] is None:
            return
        page["cursor"] = answer["next_cursor"]
