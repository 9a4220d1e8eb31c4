"""Hints: the messages that tell a worker which jobs are due."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson
from uuid_utils.compat import uuid7

from gristmill.shared.task import registry
from gristmill.workers.hard_limit import hard_limit
from gristmill.workers.hint_size import portion_size

if TYPE_CHECKING:
    from celery import Celery

REVIVALS: Final = "x-gristmill-revivals"  # a header: how often the broker has given up on a hint of this job
MAX_REPR: Final = 120  # characters of ids that Flower shows


@dataclass(frozen=True, slots=True)
class Hint:
    """One message: the ids of jobs of one task, and the queue they go through."""

    task: str
    queue: str
    job_ids: tuple[UUID, ...]
    revivals: int = 0


def message_of(app: Celery, hint: Hint) -> tuple[dict[str, Any], dict[str, Any], bytes]:
    """Return (headers, properties, body) of a Celery protocol 2 message, as a plain Celery worker reads it."""
    ids = [str(job_id) for job_id in hint.job_ids]
    task = registry.find(hint.task)
    hint_id = ids[0] if len(ids) == 1 else str(uuid7())
    made = app.amqp.as_task_v2(
        hint_id,
        hint.task,
        args=(ids,),
        time_limit=hard_limit(task, min(len(ids), portion_size(task))) if task is not None else None,
        argsrepr=", ".join(ids)[:MAX_REPR],
        kwargsrepr="{}",
        ignore_result=True,
    )
    headers = {**made.headers, REVIVALS: hint.revivals} if hint.revivals else made.headers
    return headers, made.properties, orjson.dumps(made.body)
