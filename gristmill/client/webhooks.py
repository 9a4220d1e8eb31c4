"""Verify the signature of a callback: Standard Webhooks (https://www.standardwebhooks.com), version 1."""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import time
from collections.abc import Iterable, Mapping
from typing import Any

from gristmill.client.errors import ClientError

TOLERANCE = 300.0  # seconds between the clocks of sender and receiver, as in the libraries of the standard


class SignatureError(ClientError):
    """The callback is not signed with one of the secrets, or is too old: reject it."""


def verify_callback(
    headers: Mapping[str, str], body: bytes, secrets: str | Iterable[str], *, tolerance: float = TOLERANCE
) -> Any:
    """Verify a callback and return its JSON.

    Args:
        headers: the headers of the request, in any case.
        body: the raw body, before any decoding.
        secrets: `whsec_…`; during a rotation the old secret and the new one.
        tolerance: the largest difference in seconds between the timestamp and now.

    Raises:
        SignatureError: a header is missing, no signature matches, or the callback is too old (a replay).
    """
    given = {name.lower(): value for name, value in headers.items()}
    try:
        message_id, timestamp, signatures = (given[f"webhook-{name}"] for name in ("id", "timestamp", "signature"))
        sent_at = int(timestamp)
    except (KeyError, ValueError):
        msg = "webhook-id, webhook-timestamp (in whole seconds) and webhook-signature are required"
        raise SignatureError(msg) from None
    if abs(time.time() - sent_at) > tolerance:
        msg = f"signed {time.time() - sent_at:.0f} s ago, more than {tolerance:g} s: a replay, or a wrong clock"
        raise SignatureError(msg)
    signed = b".".join([message_id.encode(), timestamp.encode(), body])
    wanted = {
        hmac.digest(_key(secret), signed, hashlib.sha256)
        for secret in ([secrets] if isinstance(secrets, str) else secrets)
    }
    if not any(hmac.compare_digest(got, right) for got in _read(signatures) for right in wanted):
        msg = "no signature matches one of the secrets"
        raise SignatureError(msg)
    return json.loads(body)


def _key(secret: str) -> bytes:
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error:
        msg = "a secret consists of whsec_ and base64"
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
