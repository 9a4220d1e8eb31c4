"""Jobs that were checked and can be written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """All that is agreed about a job but its arguments and its idempotency key: jobs that are posted alike share it.

    The same are only those that are one object, so that grouping jobs by them costs nothing.

    Attributes:
        columns: by name, as `gristmill.shared.jobs.insert` reads them; what is None need not be there.
        quota: the most jobs its producer may have in flight; None when nothing limits them.
    """

    columns: Mapping[str, Any]
    quota: int | None = None


class NewJob(NamedTuple):
    """A job that was checked and can be written.

    Attributes:
        args: as they are stored, secret ones sealed.
        body_hash: tells a replay of the idempotency key from its misuse.
    """

    id: UUID
    args: Mapping[str, Any]
    terms: Terms
    idempotency_key: str | None = None
    body_hash: str | None = None

    @property
    def producer_id(self) -> UUID | None:
        """Whose it is."""
        return self.terms.columns.get("producer_id")

    @property
    def unique_key(self) -> str | None:
        """While a live job of the same producer and task has this key, no second one is made."""
        return self.terms.columns.get("unique_key")

    @property
    def takes_one_statement(self) -> bool:
        """Whether one statement writes all of it: no room is counted before, and no key turned to a twin after it."""
        return self.terms.quota is None and (self.idempotency_key is None or self.unique_key is None)

    def with_idempotency_key(self, key: str, body_hash: str) -> NewJob:
        """Return the same job under a producer's idempotency key."""
        return self._replace(idempotency_key=key, body_hash=body_hash)
