"""From the entries of a batch to one result for each, in order; or all of them or nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gristmill.ingress.accepting.idempotency import Key, find_replays, fingerprint, key_of_entry
from gristmill.ingress.accepting.same_shape import AlikeEntries, Entry
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

TWO_KEYS: Final = "Give idempotency_key in the entries or the header Idempotency-Key for the whole batch, not both"
REFUSED: Final = "Nothing was accepted, since not every entry could be: details names each wrong one"


def post_batch(
    services: Services,
    principal: ProducerPrincipal,
    entries: Sequence[Entry],
    *,
    body: Any,
    key: str | None,
    atomic: bool,
    traceparent: str | None,
) -> list[Outcome]:
    """Accept what can be accepted of `entries`, and return one outcome for each, in order.

    Under a key an entry that was accepted is answered with the same again, and one that was refused is tried again.

    Args:
        body: the whole batch as it was sent.
        key: the `Idempotency-Key` of the whole batch, if there was one.
        atomic: all or nothing.

    Raises:
        InvalidError: nothing can be made of the batch, or it is atomic and has an entry that cannot be accepted.
        IdempotencyConflictError: the key of the batch was used with another body.
        QuotaExceededError: the batch is atomic, and more than its producer may have in flight.
        UnavailableError: the database is away or has too much to do; nothing was accepted.
    """
    keys = _keys_of(entries, key, body)
    outcomes: list[Outcome | None] = [None] * len(entries)
    if keys:
        replays = dict(zip(keys, find_replays(services, principal.producer_id, list(keys.values())), strict=True))
        if key is not None:
            _refuse_misuse(replays.values())
        outcomes = [replays.get(number) for number in range(len(entries))]
    alike = AlikeEntries(services, principal, traceparent=traceparent)
    jobs: dict[int, NewJob] = {}
    for number, entry in enumerate(entries):
        if outcomes[number] is not None:
            continue
        try:
            job = alike.prepare(entry)
        except GristmillError as error:
            outcomes[number] = error
        else:
            jobs[number] = job.with_idempotency_key(*keys[number]) if number in keys else job
    if atomic:
        _refuse_errors(outcomes)
    if jobs:
        results = services.batches.submit(list(jobs.values()), atomic=atomic)
        for number, result in zip(jobs, results, strict=True):
            outcomes[number] = result
    return _settled(outcomes, atomic=atomic)


def _keys_of(entries: Sequence[Entry], key: str | None, body: Any) -> dict[int, Key]:
    """Return the key of each entry that has one, by its number.

    A batch's own key makes one for as many entries as a batch may have: another body is found out at any length.
    """
    if key is None:
        return {
            number: Key(entry["idempotency_key"], fingerprint(_without_key(entry)))
            for number, entry in enumerate(entries)
            if isinstance(entry.get("idempotency_key"), str)
        }
    if any("idempotency_key" in entry for entry in entries):
        raise InvalidError(TWO_KEYS, {"Idempotency-Key": [TWO_KEYS]})
    whole = fingerprint(body)
    return {number: Key(key_of_entry(key, number), whole) for number in range(MOST_ENTRIES)}


def _without_key(entry: Mapping[str, Any]) -> Entry:
    """Return the body that would be posted alone under the same key."""
    return {name: value for name, value in entry.items() if name != "idempotency_key"}


def _refuse_misuse(replays: Iterable[Outcome | None]) -> None:
    for found in replays:
        if isinstance(found, IdempotencyConflictError):
            raise found


def _settled(outcomes: Sequence[Outcome | None], *, atomic: bool) -> list[Outcome]:
    """Return the outcomes, unless they amount to one answer for the whole batch."""
    settled = [outcome for outcome in outcomes if outcome is not None]
    first = settled[0]
    if isinstance(first, UnavailableError) and all(isinstance(one, UnavailableError) for one in settled):
        raise first
    if atomic:
        _refuse_errors(settled)
    return settled


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
