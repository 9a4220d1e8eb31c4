"""From a posted body to an accepted job: the producer's rights, the task, the idempotency key, the group commit."""

from __future__ import annotations

import hashlib
import re
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import orjson

from shared.errors import ForbiddenError, InvalidError
from shared.producer import JobOptions, NewJob, prepare
from shared.queries.jobs import Accepted
from shared.task import registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from ingress.services import Services
    from shared.keys import Principal

_VISIBLE: Final = re.compile(r"[\x21-\x7e]{1,255}")
_TRACEPARENT: Final = re.compile(r"00-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def prepare_job(
    services: Services, principal: Principal, wanted: Mapping[str, Any], *, traceparent: str | None = None
) -> NewJob:
    """Return the job that `wanted` (a loaded `JobRequest`) asks for, checked against its task. Stores nothing.

    Raises:
        ForbiddenError: the key may not post this task.
        UnknownTaskError: there is no such task.
        InvalidArgsError: the arguments do not fit it.
    """
    if not principal.may_post(wanted["task"]):
        allowed = ", ".join(sorted(principal.allowed_tasks or ()))
        msg = f"The key {principal.key_id} may not post {wanted['task']!r}; it may post {allowed or 'nothing'}"
        raise ForbiddenError(msg, {"task": ["not among the tasks of this key"]})
    task = registry.get(wanted["task"], demo=services.settings.demo_tasks)
    delay: float | None = wanted.get("delay")
    options = JobOptions(
        run_at=wanted.get("run_at"),
        delay=timedelta(seconds=delay) if delay is not None else None,
        priority=wanted["priority"],
        expires_at=wanted.get("expires_at"),
        max_attempts=wanted.get("max_attempts"),
        unique_key=wanted.get("unique_key"),
        callback_url=wanted.get("callback_url"),
        tags=tuple(wanted["tags"]),
        producer_id=principal.producer_id,
        traceparent=read_traceparent(traceparent),
    )
    return prepare(task, wanted["args"], options, secret_key=services.settings.secret_key)


def submit(services: Services, job: NewJob) -> Accepted:
    """Write `job` together with what other requests bring, and return what is there after the commit.

    Raises:
        IdempotencyConflictError: its key was used with another body.
        UnavailableError: the database is away or has too much to do.
    """
    result = services.acceptor.submit([job])[0]
    if isinstance(result, Accepted):
        return result
    raise result


def with_idempotency_key(job: NewJob, key: str | None, body: Any) -> NewJob:
    """Return `job` under the producer's `Idempotency-Key`, if one was sent.

    Raises:
        InvalidError: the key has a form that we do not take.
    """
    if key is None:
        return job
    if not _VISIBLE.fullmatch(key):
        msg = "Idempotency-Key must be 1 to 255 visible ASCII characters, for instance a UUID"
        raise InvalidError(msg, {"Idempotency-Key": [msg]})
    canonical = orjson.dumps(body, option=orjson.OPT_SORT_KEYS)
    return job.with_idempotency_key(key, hashlib.sha256(canonical).hexdigest())


def read_traceparent(header: str | None) -> str | None:
    """Return a W3C trace context header of version 00; None when it is not one, as the standard asks."""
    return header if header is not None and _TRACEPARENT.fullmatch(header) else None
