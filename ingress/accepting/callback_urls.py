"""Check the callback_url of a posted job before the job is accepted."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from gristmill.shared.errors import InvalidError
from gristmill.shared.outgoing.endpoint import url_problem
from gristmill.shared.producers.queries_webhook_secrets import has_secret

if TYPE_CHECKING:
    from gristmill.ingress.services import Services
    from gristmill.shared.producers.keys import ProducerPrincipal

FIELD: Final = "callback_url"
UNSIGNED: Final = "Callbacks are signed, and this producer has no secret yet: POST /api/v1/webhook-secret creates one"


class CallbackUrls:
    """The check for one request. It queries the database at most once, and only if a URL was given."""

    def __init__(self, services: Services, principal: ProducerPrincipal) -> None:
        self._services = services
        self._principal = principal

    def check(self, url: str | None) -> None:
        """Refuse a URL that the worker would refuse, as far as its text shows.

        Raises:
            InvalidError: it leads to a private address, is not encrypted where it must be, or there is no secret.
        """
        if url is None:
            return
        settings = self._services.settings
        problem = url_problem(
            urlsplit(url), allow_private=settings.allow_private_webhooks, allow_http=settings.allow_http_callbacks
        )
        if problem is not None:
            raise InvalidError(f"The callback_url {problem}", {FIELD: [problem]})
        if not self._has_secret:
            raise InvalidError(UNSIGNED, {FIELD: [UNSIGNED]})

    @cached_property
    def _has_secret(self) -> bool:
        with self._services.database.autocommit() as session:
            return has_secret(session, self._principal.producer_id)
