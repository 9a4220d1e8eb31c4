"""The webhook channel: one POST to a URL of the producer, protected against server-side request forgery."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import orjson

from gristmill.shared.errors import PermanentError, TransientError
from gristmill.shared.outgoing.endpoint import Endpoint
from gristmill.shared.outgoing.post import post
from gristmill.tasks.notifications.channels.channel import Notice

if TYPE_CHECKING:
    from gristmill.shared.settings import Settings

_RETRIED: Final = frozenset({408, 425, 429})
_SERVER_ERROR: Final = 500


class Webhook:
    """Posts the notice as JSON. Redirects are not followed, and only the status of the answer is kept."""

    name = "webhook"
    needs = "webhook_url"

    def target(self, notice: Notice) -> str | None:
        """Return the URL without its query, which may hold a token."""
        return (notice.webhook_url or "").partition("?")[0]

    def deliver(self, notice: Notice, settings: Settings) -> str:
        """Post the notice; an answer of 2xx means delivered.

        Raises:
            TransientError: no connection, no answer in time, or 408, 425, 429 or 5xx; `Retry-After` is honoured.
            PermanentError: any other answer, or a URL that must not be posted to.
        """
        endpoint = Endpoint.find(notice.webhook_url or "", allow_private=settings.allow_private_webhooks)
        content = {
            "id": notice.id,
            "type": "notification",
            "title": notice.title,
            "body": notice.body,
            "data": notice.data,
        }
        # webhook-id identifies the message (Standard Webhooks). It is not signed: it may go to any receiver.
        headers = {"Idempotency-Key": str(notice.id), "webhook-id": str(notice.id)}
        answer = post(endpoint, orjson.dumps(content), headers)
        if answer.is_good:
            return f"HTTP {answer.status}"
        msg = f"{answer.host} answered the webhook with HTTP {answer.status}"
        if answer.status in _RETRIED or answer.status >= _SERVER_ERROR:
            raise TransientError(msg, code="WEBHOOK_DEFERRED", retry_after=answer.retry_after)
        raise PermanentError(f"{msg}; give a URL that answers 2xx (redirects are not followed)", code="WEBHOOK_REFUSED")
