"""Create, rotate and delete the secrets of a producer, and sign its callbacks with them.

Signatures are those of Standard Webhooks (https://www.standardwebhooks.com), version 1.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import secrets
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from gristmill.shared.audit.queries import record_act
from gristmill.shared.base.sealing import seal_text, unseal_text
from gristmill.shared.database.connect import SECRET_KEY
from gristmill.shared.errors import ConflictError, PermanentError
from gristmill.shared.producers import queries_webhook_secrets as queries
from gristmill.shared.producers.queries import get_producer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sqlalchemy.orm import Session

    from gristmill.shared.producers.models import WebhookSecret

OVERLAP: Final = timedelta(hours=24)  # for which the old secret goes on beside the new one
MOST: Final = 3  # that sign at once: the new one, the old one, and one whose answer got lost on its way
PREFIX: Final = "whsec_"
_BYTES: Final = 32  # what HMAC-SHA256 puts out; the standard asks for 24 to 64
_PURPOSE: Final = "webhook-secret"


def make_secret(
    session: Session, producer_id: UUID, *, actor: str, overlap: timedelta = OVERLAP
) -> tuple[WebhookSecret, str]:
    """Make a producer's secret; the one that it has goes on for `overlap`, and both sign. Nobody can see it again.

    Raises:
        NotFoundError: there is no such producer.
        ConflictError: it was replaced several times, and what was replaced still goes on.
    """
    producer = get_producer(session, producer_id)  # locked: two who replace it do so one after the other
    queries.expire_current(session, producer_id, overlap=overlap)
    if len(queries.list_secrets(session, producer_id)) >= MOST:
        msg = (
            f"{MOST} secrets of this producer sign already: wait until one that was replaced is over (GET shows when), "
            "or DELETE them all and make a new one"
        )
        raise ConflictError(msg)
    token = PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()
    row = queries.insert_secret(session, producer_id, seal_text(session.info[SECRET_KEY], _PURPOSE, token))
    record_act(session, actor=actor, action="webhook_secret.make", subject=_subject(producer_id), name=producer.name)
    return row, token


def forget_secrets(session: Session, producer_id: UUID, *, actor: str) -> int:
    """Forget all secrets of a producer, at once, and return how many there were.

    Raises:
        NotFoundError: there is no such producer.
    """
    producer = get_producer(session, producer_id)
    number = queries.delete_secrets(session, producer_id)
    if number:
        record_act(
            session, actor=actor, action="webhook_secret.forget", subject=_subject(producer_id), name=producer.name
        )
    return number


def reveal_secrets(session: Session, producer_id: UUID) -> list[str]:
    """Return what the callbacks of a producer are signed with now, newest first.

    One that was sealed with another GRISTMILL_SECRET_KEY is left out where there is another to sign with.

    Raises:
        PermanentError: there is none that this GRISTMILL_SECRET_KEY opens.
    """
    key = session.info[SECRET_KEY]
    opened: list[str] = []
    unreadable: PermanentError | None = None
    for row in queries.list_secrets(session, producer_id):
        try:
            opened.append(unseal_text(key, _PURPOSE, row.sealed))
        except PermanentError as error:
            unreadable = error
    if unreadable is not None and not opened:
        raise unreadable
    return opened


def sign(tokens: Sequence[str], *, message_id: str, timestamp: int, body: bytes) -> str:
    """Return the header `webhook-signature`: one signature for each secret, parted by spaces."""
    signed = b".".join([message_id.encode(), str(timestamp).encode(), body])
    keys = [base64.b64decode(token.removeprefix(PREFIX)) for token in tokens]
    return " ".join("v1," + base64.b64encode(hmac.digest(key, signed, hashlib.sha256)).decode() for key in keys)


def _subject(producer_id: UUID) -> str:
    return f"producer:{producer_id}"
