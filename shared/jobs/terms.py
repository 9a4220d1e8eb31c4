"""Jobs whose arguments were checked, and the terms that several of them share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID


@dataclass(frozen=True, slots=True, eq=False)
class Terms:
    """Everything agreed about a job except its arguments and its idempotency key. Jobs of the same shape share it.

    Terms are compared by identity, so that grouping jobs by their terms costs nothing.

    Attributes:
        columns: by name, as `gristmill.shared.jobs.insert_statement` reads them. A missing column is NULL.
        quota: the largest number of jobs that the producer may have in flight; None without a limit.
    """

    columns: Mapping[str, Any]
    quota: int | None = None


class NewJob(NamedTuple):
    """A job whose arguments were checked, ready to be inserted.

    Attributes:
        args: as they are stored, with secrets sealed.
        body_hash: distinguishes a repeated request from another one with the same idempotency key.
    """

    id: UUID
    args: Mapping[str, Any]
    terms: Terms
    idempotency_key: str | None = None
    body_hash: str | None = None

    @property
    def producer_id(self) -> UUID | None:
        """The producer that owns the job; None for jobs of the platform."""
        return self.terms.columns.get("producer_id")

    @property
    def unique_key(self) -> str | None:
        """While a live job of the same producer and task has this key, no second one is created."""
        return self.terms.columns.get("unique_key")

    @property
    def takes_one_statement(self) -> bool:
        """True when one statement inserts the job: no quota is counted before it, and no key redirected after it."""
        return self.terms.quota is None and (self.idempotency_key is None or self.unique_key is None)

    def with_idempotency_key(self, key: str, body_hash: str) -> NewJob:
        """Return the same job with an idempotency key of its producer."""
        return self._replace(idempotency_key=key, body_hash=body_hash)
