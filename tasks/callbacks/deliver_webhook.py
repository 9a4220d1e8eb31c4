"""Notify a producer that its job has ended: one signed POST to the job's callback_url."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from marshmallow import Schema, fields
from marshmallow.validate import Length, OneOf, Range

from gristmill.shared.context import Context
from gristmill.shared.errors import PermanentError, TransientError
from gristmill.shared.jobs.callbacks import EVENTS, QUEUE, RETRY, TASK
from gristmill.shared.outgoing.endpoint import Endpoint
from gristmill.shared.outgoing.post import Answer, post
from gristmill.shared.producers.webhook_secrets import reveal_secrets, sign
from gristmill.shared.task import task
from gristmill.tasks.callbacks.body import write_body
from gristmill.tasks.callbacks.queries import FinishedJob, find_finished_job

LONGEST_URL: Final = 2_048
EXCERPT: Final = 1_000  # characters that are kept of a receiver's answer
_GONE: Final = 410
_REDIRECTS: Final = range(300, 400)
_NO_PARENT: Final = (
    "This job reports no other job: the platform enqueues webhook.deliver when a job with a callback_url ends, so post "
    "that job with a callback_url instead"
)
_UNSIGNED: Final = (
    "The producer has no secret to sign with: POST /api/v1/webhook-secret makes one, then redrive this dead letter"
)


class DeliverWebhookArgs(Schema):
    """The URL, and the end that is reported: the finished job is the parent of this one."""

    url = fields.String(required=True, validate=Length(1, LONGEST_URL), metadata={"example": "https://example.com/"})
    event = fields.String(required=True, validate=OneOf(EVENTS))
    ended_at = fields.AwareDateTime(required=True)
    attempt = fields.Integer(required=True, strict=True, validate=Range(0))


@task(
    name=TASK,
    queue=QUEUE.name,
    args=DeliverWebhookArgs,
    retry=RETRY,
    time_limit=timedelta(seconds=60),
    effects="outside",
    internal=True,
)
def deliver_webhook(ctx: Context, *, url: str, event: str, ended_at: datetime, attempt: int) -> dict[str, int]:
    """Notify a producer that its job with a callback_url has ended.

    Repeating is harmless for a receiver that checks webhook-id. The id is that of this job: the same in every attempt
    and after a redrive, and another one for another end. The success of this job is the ledger: a crash between the
    answer of the receiver and the commit posts again.
    """
    with ctx.transaction() as session:
        finished = find_finished_job(session, ctx.job_id, ended_at=ended_at)
        if finished is None:
            raise PermanentError(_NO_PARENT, code="CALLBACK_WITHOUT_JOB")
        secrets = reveal_secrets(session, finished.producer.id)
        if not secrets:
            raise PermanentError(_UNSIGNED, code="WEBHOOK_SECRET_MISSING")
        body = write_body(session, finished, event=event, ended_at=ended_at, attempt=attempt, settings=ctx.settings)
    endpoint = Endpoint.find(
        url, allow_private=ctx.settings.allow_private_webhooks, allow_http=ctx.settings.allow_http_callbacks
    )
    answer = post(endpoint, body, _headers(ctx.job_id, finished, secrets, body))
    if answer.is_good:
        return {"status": answer.status}
    raise _refusal(answer)


def _headers(message_id: UUID, finished: FinishedJob, secrets: list[str], body: bytes) -> dict[str, str]:
    timestamp = int(finished.now.timestamp())
    return {
        "webhook-id": str(message_id),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secrets, message_id=str(message_id), timestamp=timestamp, body=body),
    }


def _refusal(answer: Answer) -> PermanentError | TransientError:
    """Return the error for an answer that is not 2xx: only `Gone` and a redirect are permanent."""
    msg = f"{answer.host} answered the callback with HTTP {answer.status}"
    said = _excerpt(answer.body)
    if answer.status == _GONE:
        return PermanentError(f"{msg}, so the receiver no longer exists; it said {said}", code="WEBHOOK_GONE")
    if answer.status in _REDIRECTS:
        return PermanentError(
            f"{msg}; redirects are not followed, redrive it with the right url; it said {said}",
            code="WEBHOOK_REDIRECTED",
        )
    return TransientError(f"{msg}; it said {said}", code="WEBHOOK_DEFERRED", retry_after=answer.retry_after)


def _excerpt(body: bytes) -> str:
    """Return the beginning of an answer in quotes, which exclude it from the fingerprint of the error."""
    text = " ".join(body.decode(errors="replace").split())[:EXCERPT]
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return '"' + shown.replace('"', "'") + '"'
