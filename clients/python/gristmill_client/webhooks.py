"""Check that a callback comes from the platform: Standard Webhooks (https://www.standardwebhooks.com), version 1."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from gristmill_client.errors import ClientError

TOLERANCE = 300.0  # seconds between the sender's clock and ours, as the standard's libraries have it


class SignatureError(ClientError):
    """The callback is not signed with one of the secrets, or is too old: do not believe it."""


def verify_callback(
    headers: Mapping[str, str], body: bytes, secrets: str | Iterable[str], *, tolerance: float = TOLERANCE
) -> Any:
    """Return the callback's JSON.

    Args:
        headers: of the request; upper and lower case are the same.
        body: as it came, before any decoding.
        secrets: `whsec_…`; during a rotation the old one and the new one.
        tolerance: seconds that its timestamp may be away from now.

    Raises:
        SignatureError: a header is missing, no signature fits, or it is too old (a replay).
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, timestamp, signatures = (given[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
        sent_at = int(timestamp)
    except (KeyError, ValueError):
        msg = "webhook-id, webhook-timestamp and webhook-signature must be there, the timestamp in whole seconds"
        raise SignatureError(msg) from None
    if abs(time.time() - sent_at) > tolerance:
        msg = f"it was signed {time.time() - sent_at:.0f} s ago, more than {tolerance:g} s: a replay, or a wrong clock"
        raise SignatureError(msg)
    signed = b".".join([message_id.encode(), timestamp.encode(), body])
    wanted = {
        hmac.digest(_key(secret), signed, hashlib.sha256)
        for secret in ([secrets] if isinstance(secrets, str) else secrets)
    }
    if not any(hmac.compare_digest(got, right) for got in _read(signatures) for right in wanted):
        msg = "no signature was made with one of the secrets"
        raise SignatureError(msg)
    return json.loads(body)


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        msg = "a secret must look like whsec_ and base64"
        raise ValueError(msg) from None


def _read(signatures: str) -> list[bytes]:
    found = []
    for each in signatures.split():
        version, _, encoded = each.partition(",")
        if version == "v1":
            try:
                found.append(base64.b64decode(encoded, validate=True))
            except binascii.Error:
                continue
    return found
