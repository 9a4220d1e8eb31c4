"""Accept a posted job: the producer's rights, the task, the idempotency key, the group commit."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from gristmill.ingress.accepting.callback_urls import CallbackUrls
from gristmill.ingress.accepting.idempotency import RequestKey, find_replays, fingerprint
from gristmill.ingress.accepting.start_and_expiry import check_start_and_expiry
from gristmill.shared.errors import ForbiddenError, GristmillError
from gristmill.shared.jobs.enqueue import JobOptions, prepare_on, terms_of
from gristmill.shared.jobs.insert import Accepted
from gristmill.shared.task import registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from gristmill.ingress.services import Services
    from gristmill.shared.jobs.terms import NewJob, Terms
    from gristmill.shared.producers.keys import ProducerPrincipal
    from gristmill.shared.settings import Secret
    from gristmill.shared.task import Task

QUOTA_USED_UP: Final = (
    "The producer has as many jobs in flight as its quota allows; `Retry-After` says how long to wait."
)
_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def accept_job(
    services: Services,
    principal: ProducerPrincipal,
    wanted: Mapping[str, Any],
    *,
    body: Any,
    key: str | None,
    traceparent: str | None,
) -> Accepted:
    """Accept the job that `wanted` (a loaded `JobRequest`) requests, and return it after the commit.

    Args:
        body: `wanted` as it was sent.
        key: the `Idempotency-Key`, if there was one.

    Raises:
        InvalidError, ForbiddenError: the job cannot be accepted, and nothing was stored.
        IdempotencyConflictError: the key was used with another body.
        QuotaExceededError: the producer has as many jobs in flight as it may.
        UnavailableError: the database is away or overloaded.
    """
    idempotency_key = RequestKey(key, fingerprint(body)) if key is not None else None
    try:
        callbacks = CallbackUrls(services, principal)
        agreed = agree(services, principal, wanted, callbacks=callbacks, traceparent=traceparent)
        job = agreed.prepare(wanted["args"], secret_key=services.settings.secret_key)
    except GristmillError:
        # A job accepted yesterday may be too late or unknown today. Its replay is answered all the same.
        stored = (
            find_replays(services, principal.producer_id, [idempotency_key])[0] if idempotency_key is not None else None
        )
        if stored is None:
            raise
        return _or_raise(stored)
    if idempotency_key is not None:
        job = job.with_idempotency_key(*idempotency_key)
    acceptor = services.acceptor if job.unique_key is None else services.keyed
    return _or_raise(acceptor.submit([job])[0])


def _or_raise(result: Accepted | Exception) -> Accepted:
    if isinstance(result, Accepted):
        return result
    raise result


class AgreedTerms(NamedTuple):
    """A task that its producer may post, with the terms of its jobs."""

    task: Task
    terms: Terms

    def prepare(self, args: Mapping[str, Any], *, secret_key: Secret) -> NewJob:
        """Return one job. Stores nothing.

        Raises:
            InvalidArgsError: the arguments do not fit the task.
        """
        return prepare_on(self.terms, self.task, args, secret_key=secret_key)


def agree(
    services: Services,
    principal: ProducerPrincipal,
    wanted: Mapping[str, Any],
    *,
    callbacks: CallbackUrls,
    traceparent: str | None = None,
) -> AgreedTerms:
    """Return the task and terms that `wanted` (a loaded `JobRequest`) requests, after checking them.

    Args:
        callbacks: one object for all jobs of a request.

    Raises:
        ForbiddenError: the key may not post this task.
        UnknownTaskError: there is no such task.
        InternalTaskError: the platform alone enqueues it.
        InvalidError: its times are past or too far ahead, or its callback URL is refused.
    """
    if not principal.may_post(wanted["task"]):
        allowed = ", ".join(sorted(principal.allowed_tasks or ()))
        msg = f"The key {principal.key_id} may not post {wanted['task']!r}; it may post {allowed or 'nothing'}"
        raise ForbiddenError(msg, {"task": ["not among the tasks of this key"]})
    task = registry.get_for_posting(wanted["task"], demo=services.settings.demo_tasks)
    delay: float | None = wanted.get("delay")
    run_at, expires_at = wanted.get("run_at"), wanted.get("expires_at")
    check_start_and_expiry(run_at, delay, expires_at)
    callbacks.check(wanted.get("callback_url"))
    options = JobOptions(
        run_at=run_at,
        delay=timedelta(seconds=delay) if delay is not None else None,
        priority=wanted["priority"],
        expires_at=expires_at,
        max_attempts=wanted.get("max_attempts"),
        unique_key=wanted.get("unique_key"),
        callback_url=wanted.get("callback_url"),
        tags=tuple(wanted["tags"]),
        producer_id=principal.producer_id,
        traceparent=traceparent,
    )
    return AgreedTerms(task, terms_of(task, options, quota=principal.quota))


def read_traceparent(header: str | None) -> str | None:
    """Return a W3C trace context header of version 00; None for any other, as the standard requires."""
    return header if header is not None and _TRACEPARENT.fullmatch(header) else None
