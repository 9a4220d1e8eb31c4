"""Accept a batch: one result for each entry, in order; or all entries or none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gristmill.ingress.accepting.idempotency import RequestKey, find_replays, fingerprint, key_of_entry
from gristmill.ingress.accepting.same_shape import Entry, SharedTerms
from gristmill.ingress.schemas.batches import MOST_ENTRIES
from gristmill.shared.errors import (
    ForbiddenError,
    GristmillError,
    IdempotencyConflictError,
    InvalidError,
    UnavailableError,
)
from gristmill.shared.jobs.insert import Accepted

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from gristmill.ingress.services import Services
    from gristmill.shared.jobs.terms import NewJob
    from gristmill.shared.producers.keys import ProducerPrincipal

Outcome = Accepted | Exception

TWO_KEYS: Final = "Send idempotency_key in the entries or the header Idempotency-Key for the whole batch, not both"
REFUSED: Final = "Nothing was accepted, because some entries are not valid: details names each of them"


def accept_batch(
    services: Services,
    principal: ProducerPrincipal,
    entries: Sequence[Entry],
    *,
    body: Any,
    key: str | None,
    atomic: bool,
    traceparent: str | None,
) -> list[Outcome]:
    """Accept the valid entries, and return one outcome for each entry, in order.

    With a key, an entry that was accepted before gets the same answer again; one that was refused is tried again.

    Args:
        body: the whole batch as it was sent.
        key: the `Idempotency-Key` of the whole batch, if there was one.
        atomic: all or nothing.

    Raises:
        InvalidError: the batch is not valid, or it is atomic and has an entry that cannot be accepted.
        IdempotencyConflictError: the key of the batch was used with another body.
        QuotaExceededError: the batch is atomic and larger than its producer's quota allows.
        UnavailableError: the database is away or overloaded; nothing was accepted.
    """
    keys = _keys_of(entries, key, body)
    outcomes: list[Outcome | None] = [None] * len(entries)
    if keys:
        replays = dict(zip(keys, find_replays(services, principal.producer_id, list(keys.values())), strict=True))
        if key is not None:
            _refuse_misuse(replays.values())
        outcomes = [replays.get(number) for number in range(len(entries))]
    jobs = _prepare_new(SharedTerms(services, principal, traceparent=traceparent), entries, keys, outcomes)
    if atomic:
        _refuse_errors(outcomes)
    if jobs:
        is_keyed = any(job.unique_key is not None for job in jobs.values())
        acceptor = services.keyed if is_keyed else services.batches
        results = acceptor.submit(list(jobs.values()), atomic=atomic)
        for number, result in zip(jobs, results, strict=True):
            outcomes[number] = result
    return _one_answer_or_all(outcomes, atomic=atomic)


def _prepare_new(
    shared_terms: SharedTerms,
    entries: Sequence[Entry],
    keys: Mapping[int, RequestKey],
    outcomes: list[Outcome | None],
) -> dict[int, NewJob]:
    """Return the jobs of the entries without an outcome, by number; an entry that is not valid gets its error."""
    jobs: dict[int, NewJob] = {}
    for number, entry in enumerate(entries):
        if outcomes[number] is not None:
            continue
        try:
            job = shared_terms.prepare(entry)
        except GristmillError as error:
            outcomes[number] = error
        else:
            jobs[number] = job.with_idempotency_key(*keys[number]) if number in keys else job
    return jobs


def _keys_of(entries: Sequence[Entry], key: str | None, body: Any) -> dict[int, RequestKey]:
    """Return the key of each entry that has one, by its number.

    The key of a batch yields one key for each entry that a batch may have, so that a longer body is detected too.
    """
    if key is None:
        return {
            number: RequestKey(entry["idempotency_key"], fingerprint(_without_key(entry)))
            for number, entry in enumerate(entries)
            if isinstance(entry.get("idempotency_key"), str)
        }
    if any("idempotency_key" in entry for entry in entries):
        raise InvalidError(TWO_KEYS, {"Idempotency-Key": [TWO_KEYS]})
    whole = fingerprint(body)
    return {number: RequestKey(key_of_entry(key, number), whole) for number in range(MOST_ENTRIES)}


def _without_key(entry: Mapping[str, Any]) -> Entry:
    """Return the body of a single job that would be posted with the same key."""
    return {name: value for name, value in entry.items() if name != "idempotency_key"}


def _refuse_misuse(replays: Iterable[Outcome | None]) -> None:
    for found in replays:
        if isinstance(found, IdempotencyConflictError):
            raise found


def _one_answer_or_all(outcomes: Sequence[Outcome | None], *, atomic: bool) -> list[Outcome]:
    """Return the outcomes, or raise the error that answers the whole batch."""
    complete = [outcome for outcome in outcomes if outcome is not None]
    first = complete[0]
    if isinstance(first, UnavailableError) and all(isinstance(one, UnavailableError) for one in complete):
        raise first
    if atomic:
        _refuse_errors(complete)
    return complete


def _refuse_errors(outcomes: Sequence[Outcome | None]) -> None:
    """Refuse an atomic batch with errors in it.

    Raises:
        InvalidError: `details` names each wrong field of each wrong entry by its path.
    """
    details: dict[str, Any] = {}
    for number, error in enumerate(outcomes):
        if isinstance(error, (InvalidError, ForbiddenError)):
            paths = error.details or {"": [error.message]}
            details |= {f"jobs.{number}.{path}".rstrip("."): problems for path, problems in paths.items()}
        elif isinstance(error, Exception):
            raise error
    if details:
        raise InvalidError(REFUSED, details)
