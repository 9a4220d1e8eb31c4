"""Tell a producer that its job has ended: one signed POST to the job's callback_url."""

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
from gristmill.tasks.callbacks.queries import Ended, find_ended

LONGEST_URL: Final = 2_048
EXCERPT: Final = 1_000  # characters of what a receiver answers that are kept
_GONE: Final = 410
_REDIRECTS: Final = range(300, 400)
_NO_PARENT: Final = (
    "This job tells of no other: webhook.deliver is made by the platform when a job with a callback_url ends, so post "
    "that job with a callback_url instead"
)
_UNSIGNED: Final = (
    "The producer has no secret to sign with: POST /api/v1/webhook-secret makes one, then redrive this dead letter"
)


class DeliverWebhookArgs(Schema):
    """Where to, and which end is told of: the job is the parent of the one that tells."""

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
    """Tell a producer that its job with a callback_url has ended.

    Repeating is harmless for a receiver that looks at webhook-id: it is this job's, so it is the same in every attempt
    and after a redrive of this job, and another one for another end. The job's success is the ledger: a crash between
    the receiver's answer and its commit posts again.
    """
    with ctx.transaction() as session:
        ended = find_ended(session, ctx.job_id, ended_at=ended_at)
        if ended is None:
            raise PermanentError(_NO_PARENT, code="CALLBACK_WITHOUT_JOB")
        secrets = reveal_secrets(session, ended.producer.id)
        if not secrets:
            raise PermanentError(_UNSIGNED, code="WEBHOOK_SECRET_MISSING")
        body = write_body(session, ended, event=event, ended_at=ended_at, attempt=attempt, settings=ctx.settings)
    endpoint = Endpoint.find(
        url, allow_private=ctx.settings.allow_private_webhooks, allow_http=ctx.settings.allow_http_callbacks
    )
    answer = post(endpoint, body, _headers(ctx.job_id, ended, secrets, body))
    if answer.is_good:
        return {"status": answer.status}
    raise _refusal(answer)


def _headers(message_id: UUID, ended: Ended, secrets: list[str], body: bytes) -> dict[str, str]:
    timestamp = int(ended.now.timestamp())
    return {
        "webhook-id": str(message_id),
        "webhook-timestamp": str(timestamp),
        "webhook-signature": sign(secrets, message_id=str(message_id), timestamp=timestamp, body=body),
    }


def _refusal(answer: Answer) -> PermanentError | TransientError:
    """Return what an answer that is not 2xx means: only `Gone` and a redirect stay as they are over the hours."""
    msg = f"{answer.host} answered the callback with HTTP {answer.status}"
    said = _excerpt(answer.body)
    if answer.status == _GONE:
        return PermanentError(f"{msg}, so nobody listens there any more; it said {said}", code="WEBHOOK_GONE")
    if answer.status in _REDIRECTS:
        return PermanentError(
            f"{msg}; redirects are not followed, redrive it with the right url; it said {said}",
            code="WEBHOOK_REDIRECTED",
        )
    return TransientError(f"{msg}; it said {said}", code="WEBHOOK_DEFERRED", retry_after=answer.retry_after)


def _excerpt(body: bytes) -> str:
    """Return the beginning of an answer in quotes, which keep it out of the error's fingerprint."""
    text = " ".join(body.decode(errors="replace").split())[:EXCERPT]
    shown = "".join(character if character.isprintable() else "\N{REPLACEMENT CHARACTER}" for character in text)
    return '"' + shown.replace('"', "'") + '"'
