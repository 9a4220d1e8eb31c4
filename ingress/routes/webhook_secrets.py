"""Routes to list, create and delete the secrets that sign callbacks: a producer's own, or any for administrators."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from gristmill.ingress.access.access_rules import requires
from gristmill.ingress.access.authenticate import current_principal, current_producer
from gristmill.ingress.http.api import PREFIX, OptionalBodyBlueprint
from gristmill.ingress.schemas.errors import ErrorEnvelope
from gristmill.ingress.schemas.webhook_secrets import Forgotten, NewSecret, SecretList, SecretRequest
from gristmill.ingress.services import services
from gristmill.shared.producers.queries import get_producer
from gristmill.shared.producers.queries_webhook_secrets import list_secrets
from gristmill.shared.producers.webhook_secrets import forget_secrets, make_secret

if TYPE_CHECKING:
    from gristmill.shared.producers.models import WebhookSecret

blueprint = OptionalBodyBlueprint(
    "webhook_secrets", __name__, url_prefix=PREFIX, description="Secrets that sign callbacks."
)
_TOO_MANY = "Too many replaced secrets are still valid: wait, or delete all of them."


@blueprint.route("/webhook-secret", methods=["GET"])
@requires("jobs:read", "jobs:write", people=False)
@blueprint.response(200, SecretList)
@blueprint.doc(operationId="list_webhook_secrets")
def list_own_secrets() -> dict[str, Any]:
    """List the secrets that sign your callbacks, newest first, without their values."""
    return _list(current_producer().producer_id)


@blueprint.route("/webhook-secret", methods=["POST"])
@requires("jobs:write", people=False)
@blueprint.arguments(SecretRequest(), required=False)
@blueprint.response(201, NewSecret)
@blueprint.alt_response(409, schema=ErrorEnvelope, description=_TOO_MANY)
@blueprint.doc(operationId="make_webhook_secret")
def make_own_secret(wanted: dict[str, Any]) -> dict[str, Any]:
    """Create or replace the secret that signs your callbacks. Its value is shown in this answer only.

    Until the old secret expires, each callback has two signatures: deploy the new secret within that time.
    """
    return _make(current_producer().producer_id, wanted)


@blueprint.route("/webhook-secret", methods=["DELETE"])
@requires("jobs:write", people=False)
@blueprint.response(200, Forgotten)
@blueprint.doc(operationId="delete_webhook_secrets")
def delete_own_secrets() -> dict[str, Any]:
    """Delete your secrets at once.

    Pending callbacks become dead letters, unless a new secret exists when they are delivered.
    """
    return _forget(current_producer().producer_id)


@blueprint.route("/producers/<uuid:producer_id>/webhook-secret", methods=["GET"])
@requires("admin")
@blueprint.response(200, SecretList)
@blueprint.doc(operationId="list_webhook_secrets_of_producer")
def list_secrets_of_producer(producer_id: UUID) -> dict[str, Any]:
    """List the secrets that sign a producer's callbacks, newest first, without their values."""
    return _list(producer_id)


@blueprint.route("/producers/<uuid:producer_id>/webhook-secret", methods=["POST"])
@requires("admin")
@blueprint.arguments(SecretRequest(), required=False)
@blueprint.response(201, NewSecret)
@blueprint.alt_response(409, schema=ErrorEnvelope, description=_TOO_MANY)
@blueprint.doc(operationId="make_webhook_secret_of_producer")
def make_secret_of_producer(wanted: dict[str, Any], producer_id: UUID) -> dict[str, Any]:
    """Create or replace the secret that signs a producer's callbacks. Its value is shown in this answer only."""
    return _make(producer_id, wanted)


@blueprint.route("/producers/<uuid:producer_id>/webhook-secret", methods=["DELETE"])
@requires("admin")
@blueprint.response(200, Forgotten)
@blueprint.doc(operationId="delete_webhook_secrets_of_producer")
def delete_secrets_of_producer(producer_id: UUID) -> dict[str, Any]:
    """Delete a producer's secrets at once."""
    return _forget(producer_id)


def _list(producer_id: UUID) -> dict[str, Any]:
    with services().database.transaction() as session:
        return {"items": list_secrets(session, get_producer(session, producer_id).id), "next_cursor": None}


def _make(producer_id: UUID, wanted: dict[str, Any]) -> dict[str, Any]:
    overlap = timedelta(seconds=wanted["overlap"])
    with services().database.transaction() as session:
        row, token = make_secret(session, producer_id, actor=current_principal().name, overlap=overlap)
        return _shown(row) | {"secret": token}


def _forget(producer_id: UUID) -> dict[str, Any]:
    with services().database.transaction() as session:
        return {"forgotten": forget_secrets(session, producer_id, actor=current_principal().name)}


def _shown(row: WebhookSecret) -> dict[str, Any]:
    return {"id": row.id, "created_at": row.created_at, "expires_at": row.expires_at}
