"""Jobs by a filter: listed, searched, counted, cancelled."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from gristmill_client.body import plain
from gristmill_client.jobs import Job
from gristmill_client.transport import Transport

JOBS: Final = "/api/v1/jobs"
_PAGE: Final = 100  # jobs that a page may have
_CANCEL_TIMEOUT: Final = 40.0  # seconds; one request works for fifteen, and looks for some before


@dataclass(frozen=True)
class Count:
    """How many jobs there are: `count`, or with `more` more than that."""

    count: int
    more: bool


@dataclass(frozen=True)
class Cancelled:
    """What became of the jobs that a filter chose.

    Attributes:
        matched: how many fitted and had not ended; of a dry run 10,000 at most.
        cancelled: how many waited, and have ended.
        asked: how many run; their workers are asked to end them.
    """

    matched: int
    cancelled: int
    asked: int


class Filtering:
    """The part of the client that chooses jobs by `state`, `task`, `queue`, `tag`, … and by `where`, any filter."""

    _transport: Transport

    def list_jobs(self, **filters: Any) -> Iterator[Job]:
        """Yield jobs, newest first; `state`, `task`, `queue`, `tag`, `created_after`, … as `GET /api/v1/jobs` takes."""
        return _pages(lambda page: self._transport.request("GET", JOBS, params=page).json(), _plain(filters))

    def search(self, where: Mapping[str, Any] | None = None, **filters: Any) -> Iterator[Job]:
        """Yield jobs, newest first: those that `where` is true of, such as `{"field": "attempt", "gt": 2}`.

        Raises:
            InvalidError: the filter cannot be understood, or has to look at too much.
        """
        return _pages(lambda page: self._ask("search", page), _body(where, filters))

    def count(self, where: Mapping[str, Any] | None = None, **filters: Any) -> Count:
        """Return how many jobs there are, up to a bound.

        Raises:
            InvalidError: the filter cannot be understood, or has to look at too much.
        """
        return Count(**self._ask("count", _body(where, filters)))

    def cancel_many(
        self, where: Mapping[str, Any] | None = None, *, every: bool = False, dry_run: bool = False, **filters: Any
    ) -> Cancelled:
        """Cancel the jobs that fit and have not ended; those that run are asked to end.

        Args:
            every: without a filter: yes, really all.
            dry_run: only count them.

        Raises:
            InvalidError: nothing was chosen, or the filter cannot be understood, or has to look at too much.
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
