"""Routes for administrators to manage producers and their keys."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from gristmill.ingress.access.access_rules import requires
from gristmill.ingress.access.authenticate import current_principal
from gristmill.ingress.http.api import PREFIX, OptionalBodyBlueprint
from gristmill.ingress.http.cursor import BY_NAME
from gristmill.ingress.http.paging import read_page
from gristmill.ingress.schemas.errors import ErrorEnvelope
from gristmill.ingress.schemas.producers import (
    KeyAnswer,
    KeyList,
    KeyRequest,
    NewKey,
    ProducerAnswer,
    ProducerChange,
    ProducerPage,
    ProducerQuery,
    ProducerRequest,
    RotateRequest,
)
from gristmill.ingress.services import services
from gristmill.shared.producers.manage import change_producer, issue_key, make_producer, revoke, rotate_key
from gristmill.shared.producers.queries import get_producer, list_producers
from gristmill.shared.producers.queries_keys import list_keys
from gristmill.shared.task import registry

if TYPE_CHECKING:
    from gristmill.shared.producers.models import ApiKey, Producer

blueprint = OptionalBodyBlueprint(
    "producers", __name__, url_prefix=PREFIX, description="Applications that may post jobs, and their keys."
)


@blueprint.route("/producers", methods=["GET"])
@requires("admin")
@blueprint.arguments(ProducerQuery(), location="query")
@blueprint.response(200, ProducerPage)
@blueprint.doc(operationId="list_producers")
def list_all_producers(wanted: dict[str, Any]) -> dict[str, Any]:
    """List producers by name."""
    return read_page(
        services().database,
        wanted,
        lambda session, limit, after: list_producers(session, limit=limit, after=after or ""),
        cursor=BY_NAME,
        key_of=lambda producer: producer.name,
    )


@blueprint.route("/producers", methods=["POST"])
@requires("admin")
@blueprint.arguments(ProducerRequest())
@blueprint.response(201, ProducerAnswer)
@blueprint.alt_response(409, schema=ErrorEnvelope, description="The name is taken.")
@blueprint.doc(operationId="create_producer")
def create_one_producer(wanted: dict[str, Any]) -> Producer:
    """Create a producer.

    It has no key yet: `POST /api/v1/producers/{producer_id}/keys` creates one.
    """
    _check_tasks(wanted)
    with services().database.transaction() as session:
        return make_producer(session, actor=current_principal().name, **wanted)


@blueprint.route("/producers/<uuid:producer_id>", methods=["GET"])
@requires("admin")
@blueprint.response(200, ProducerAnswer)
@blueprint.doc(operationId="show_producer")
def show_producer(producer_id: UUID) -> Producer:
    """Show a producer."""
    with services().database.transaction() as session:
        return get_producer(session, producer_id)


@blueprint.route("/producers/<uuid:producer_id>", methods=["PATCH"])
@requires("admin")
@blueprint.arguments(ProducerChange(), required=False)
@blueprint.response(200, ProducerAnswer)
@blueprint.alt_response(409, schema=ErrorEnvelope, description="This would leave no valid admin key.")
@blueprint.doc(operationId="change_producer")
def change_one_producer(wanted: dict[str, Any], producer_id: UUID) -> Producer:
    """Change the permissions of a producer.

    Fields that are left out keep their values. The change takes effect within seconds.
    """
    _check_tasks(wanted)
    with services().database.transaction() as session:
        return change_producer(session, producer_id, actor=current_principal().name, changes=wanted)


@blueprint.route("/producers/<uuid:producer_id>/keys", methods=["GET"])
@requires("admin")
@blueprint.response(200, KeyList)
@blueprint.doc(operationId="list_keys")
def list_keys_of_producer(producer_id: UUID) -> dict[str, Any]:
    """List the last hundred keys of a producer, newest first, by their public halves."""
    with services().database.transaction() as session:
        return {"items": list_keys(session, get_producer(session, producer_id)), "next_cursor": None}


@blueprint.route("/producers/<uuid:producer_id>/keys", methods=["POST"])
@requires("admin")
@blueprint.arguments(KeyRequest(), required=False)
@blueprint.response(201, NewKey)
@blueprint.doc(operationId="create_key")
def create_key_of_producer(wanted: dict[str, Any], producer_id: UUID) -> dict[str, Any]:
    """Create a key. Its token is shown in this answer only."""
    with services().database.transaction() as session:
        key, token = issue_key(
            session, producer_id, actor=current_principal().name, lifetime=_seconds(wanted["expires_in"])
        )
        return _with_token(key, token)


@blueprint.route("/producers/<uuid:producer_id>/keys/<key_id>/rotate", methods=["POST"])
@requires("admin")
@blueprint.arguments(RotateRequest(), required=False)
@blueprint.response(201, NewKey)
@blueprint.alt_response(409, schema=ErrorEnvelope, description="The key was revoked.")
@blueprint.doc(operationId="rotate_key")
def rotate_one_key(wanted: dict[str, Any], producer_id: UUID, key_id: str) -> dict[str, Any]:
    """Rotate a key: create its successor, and expire the old one after an overlap."""
    with services().database.transaction() as session:
        key, token = rotate_key(
            session,
            producer_id,
            key_id,
            actor=current_principal().name,
            overlap=timedelta(seconds=wanted["overlap"]),
            lifetime=_seconds(wanted["expires_in"]),
        )
        return _with_token(key, token)


@blueprint.route("/producers/<uuid:producer_id>/keys/<key_id>/revoke", methods=["POST"])
@requires("admin")
@blueprint.response(200, KeyAnswer, description="The key is revoked, now or earlier.")
@blueprint.alt_response(409, schema=ErrorEnvelope, description="It is the last valid admin key.")
@blueprint.doc(operationId="revoke_key")
def revoke_one_key(producer_id: UUID, key_id: str) -> ApiKey:
    """Revoke a key, within seconds everywhere."""
    with services().database.transaction() as session:
        return revoke(session, producer_id, key_id, actor=current_principal().name)


def _check_tasks(wanted: dict[str, Any]) -> None:
    for name in wanted.get("allowed_tasks") or ():
        registry.get(name)


def _seconds(number: int | None) -> timedelta | None:
    return timedelta(seconds=number) if number is not None else None


def _with_token(key: ApiKey, token: str) -> dict[str, Any]:
    return {column.key: getattr(key, column.key) for column in key.__table__.columns} | {"token": token}
