"""Check entries of a batch of the same shape once: they differ in arguments and keys only."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from marshmallow import ValidationError

from gristmill.ingress.accepting.accept_job import AgreedTerms, agree
from gristmill.ingress.accepting.callback_urls import CallbackUrls
from gristmill.ingress.schemas.batches import BatchEntry, is_key
from gristmill.shared.args import flatten
from gristmill.shared.errors import InvalidError

if TYPE_CHECKING:
    from gristmill.ingress.services import Services
    from gristmill.shared.jobs.terms import NewJob
    from gristmill.shared.producers.keys import ProducerPrincipal

Entry = dict[str, Any]

INVALID: Final = "The entry is not valid: details names each wrong field"
_SCHEMA: Final = BatchEntry()
_ITS_OWN: Final = frozenset({"args", "idempotency_key"})


class SharedTerms:
    """The terms that entries of one batch share when they have the same shape."""

    def __init__(self, services: Services, principal: ProducerPrincipal, *, traceparent: str | None) -> None:
        self._services = services
        self._principal = principal
        self._traceparent = traceparent
        self._callbacks = CallbackUrls(services, principal)
        self._agreed: dict[str, AgreedTerms] = {}

    def prepare(self, entry: Entry) -> NewJob:
        """Return the job that `entry` requests, without its idempotency key. Stores nothing.

        Raises:
            InvalidError: a field is wrong; also raised by `accept_job.agree` and `AgreedTerms.prepare`.
            ForbiddenError, UnknownTaskError, InternalTaskError: raised by these two.
        """
        # In a repr, true and 1 differ, as they do for the schema; orjson takes ten times as long.
        shape = repr({name: value for name, value in entry.items() if name not in _ITS_OWN})
        agreed, args = self._agreed.get(shape), entry.get("args", {})
        if (
            agreed is None
            or type(args) is not dict
            or ("idempotency_key" in entry and not is_key(entry["idempotency_key"]))
        ):
            wanted = _load(entry)
            args = wanted["args"]
            agreed = self._agreed[shape] = agree(
                self._services, self._principal, wanted, callbacks=self._callbacks, traceparent=self._traceparent
            )
        return agreed.prepare(args, secret_key=self._services.settings.secret_key)


def _load(entry: Entry) -> dict[str, Any]:
    try:
        loaded: dict[str, Any] = _SCHEMA.load(entry)
    except ValidationError as error:
        raise InvalidError(INVALID, flatten(error.messages, "")) from None
    return loaded
