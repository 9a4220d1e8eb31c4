"""Check an API key: find the producer that a token authenticates."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gristmill.shared.producers.keys import ProducerPrincipal, read_token
from gristmill.shared.producers.queries_keys import find_valid_key, record_key_use

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.producers.models import Producer


def find_producer_by_token(session: Session, token: str) -> ProducerPrincipal | None:
    """Return the producer that `token` authenticates, and record the use of its key.

    Returns:
        None when the token is malformed, unknown or wrong, its key is revoked or expired, or its producer is disabled.
    """
    key = read_token(token)
    found = find_valid_key(session, key.id) if key is not None else None
    if key is None or found is None:
        return None
    row, producer = found
    if not key.matches(row.secret_hash):
        return None
    record_key_use(session, key.id)
    return _principal_of(producer, key.id)


def _principal_of(producer: Producer, key_id: str) -> ProducerPrincipal:
    return ProducerPrincipal(
        producer_id=producer.id,
        name=producer.name,
        key_id=key_id,
        scopes=frozenset(producer.scopes),
        allowed_tasks=frozenset(producer.allowed_tasks) if producer.allowed_tasks is not None else None,
        quota=producer.quota,
        sees_payloads=producer.sees_payloads,
        rate=producer.rate,
        burst=producer.burst,
    )
