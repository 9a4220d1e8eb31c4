"""Operations on producers, their keys and their webhook secrets, in the database."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

from gristmill.backends.database_operations.operator import Operator
from gristmill.ingress.http.cursor import BY_NAME
from gristmill.ingress.http.paging import read_page
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
from gristmill.ingress.schemas.webhook_secrets import NewSecret, SecretRequest
from gristmill.shared.producers import manage
from gristmill.shared.producers.queries import get_producer
from gristmill.shared.producers.queries import list_producers as producers_of
from gristmill.shared.producers.queries_keys import list_keys as keys_of
from gristmill.shared.producers.webhook_secrets import make_secret
from gristmill.shared.task import registry

if TYPE_CHECKING:
    from gristmill.shared.producers.models import ApiKey


def list_producers(by: Operator, body: dict[str, Any]) -> Any:
    """List producers by name."""
    page = read_page(
        by.database,
        ProducerQuery().load(body),
        lambda session, limit, after: producers_of(session, limit=limit, after=after or ""),
        cursor=BY_NAME,
        key_of=lambda producer: producer.name,
    )
    return ProducerPage().dump(page)


def create_producer(by: Operator, body: dict[str, Any]) -> Any:
    """Create a producer without a key."""
    wanted = _known(ProducerRequest().load(body))
    with by.database.transaction() as session:
        return ProducerAnswer().dump(manage.make_producer(session, actor=by.name, **wanted))


def show_producer(by: Operator, _body: dict[str, Any], producer_id: UUID) -> Any:
    """Show a producer."""
    with by.database.transaction() as session:
        return ProducerAnswer().dump(get_producer(session, producer_id))


def change_producer(by: Operator, body: dict[str, Any], producer_id: UUID) -> Any:
    """Change the permissions of a producer."""
    wanted = _known(ProducerChange().load(body))
    with by.database.transaction() as session:
        return ProducerAnswer().dump(manage.change_producer(session, producer_id, actor=by.name, changes=wanted))


def list_keys(by: Operator, _body: dict[str, Any], producer_id: UUID) -> Any:
    """List the keys of a producer, newest first."""
    with by.database.transaction() as session:
        return KeyList().dump({"items": keys_of(session, get_producer(session, producer_id)), "next_cursor": None})


def create_key(by: Operator, body: dict[str, Any], producer_id: UUID) -> Any:
    """Create a key."""
    wanted = KeyRequest().load(body)
    with by.database.transaction() as session:
        lifetime = _seconds(wanted["expires_in"])
        return _with_token(*manage.issue_key(session, producer_id, actor=by.name, lifetime=lifetime))


def rotate_key(by: Operator, body: dict[str, Any], producer_id: UUID, key_id: str) -> Any:
    """Create the successor of a key, and expire the old one after an overlap."""
    wanted = RotateRequest().load(body)
    overlap, lifetime = timedelta(seconds=wanted["overlap"]), _seconds(wanted["expires_in"])
    with by.database.transaction() as session:
        made = manage.rotate_key(session, producer_id, key_id, actor=by.name, overlap=overlap, lifetime=lifetime)
        return _with_token(*made)


def revoke_key(by: Operator, body: dict[str, Any], producer_id: UUID, key_id: str) -> Any:
    """Revoke a key; `force` revokes the last admin key too, which the API never does."""
    with by.database.transaction() as session:
        revoked = manage.revoke(session, producer_id, key_id, actor=by.name, force=bool(body.get("force")))
        return KeyAnswer().dump(revoked)


def make_webhook_secret_of_producer(by: Operator, body: dict[str, Any], producer_id: UUID) -> Any:
    """Create or replace the secret that signs a producer's callbacks."""
    overlap = timedelta(seconds=SecretRequest().load(body)["overlap"])
    with by.database.transaction() as session:
        row, secret = make_secret(session, producer_id, actor=by.name, overlap=overlap)
        shown = {"id": row.id, "created_at": row.created_at, "expires_at": row.expires_at}
        return NewSecret().dump({**shown, "secret": secret})


def _known(wanted: dict[str, Any]) -> dict[str, Any]:
    for name in wanted.get("allowed_tasks") or ():
        registry.get(name)
    return wanted


def _seconds(number: int | None) -> timedelta | None:
    return timedelta(seconds=number) if number is not None else None


def _with_token(key: "ApiKey", token: str) -> Any:
    columns = {column.key: getattr(key, column.key) for column in key.__table__.columns}
    return NewKey().dump({**columns, "token": token})
