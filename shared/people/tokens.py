"""The tokens of a session: a JWT that is shown with each request, and a refresh token that gets the next one."""

from __future__ import annotations

import hmac
import re
import secrets
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import jwt

from gristmill.shared.base.sealing import derive, derive_text

if TYPE_CHECKING:
    from gristmill.shared.settings import Secret

ALGORITHM: Final = "HS256"  # the only one that is read, whatever a token says of itself
ISSUER: Final = "gristmill"
AUDIENCE: Final = "gristmill-api"
LONGEST: Final = 1_024  # characters; ours have some 350
_ACCESS: Final = "access-token"  # what the key is derived for
_REFRESH: Final = "refresh-token"
_LOOKS_LIKE_JWT: Final = re.compile(r"[\w-]+\.[\w-]+\.[\w-]+", re.ASCII)
_REFRESH_TOKEN: Final = re.compile(r"([0-9a-f]{32})\.([\w-]{22})\.([\w-]{43})", re.ASCII)
# The times are compared by the database, whose clock wrote them: this machine's may be late.
_OPTIONS: Final[Any] = {
    "require": ["iss", "aud", "sub", "sid", "iat", "exp"],
    "verify_exp": False,
    "verify_iat": False,
    "verify_nbf": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """The claims of an access token that we have signed.

    Attributes:
        ends_at: seconds since 1970, by the database's clock.
    """

    user_id: UUID
    session_id: UUID
    ends_at: int


def write_access_token(secret_key: Secret, *, user_id: UUID, session_id: UUID, issued_at: int, seconds: int) -> str:
    """Return a JWT that is good for `seconds` from `issued_at` (seconds since 1970)."""
    claims = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "sub": str(user_id),
        "sid": str(session_id),
        "iat": issued_at,
        "exp": issued_at + seconds,
    }
    return jwt.encode(claims, derive(secret_key, _ACCESS), algorithm=ALGORITHM)


def read_access_token(secret_key: Secret, token: str) -> Claims | None:
    """Return what `token` says, if we have signed it; who uses the claims has yet to see whether they still hold."""
    if len(token) > LONGEST or not _LOOKS_LIKE_JWT.fullmatch(token):
        return None
    try:
        said = jwt.decode(
            token,
            derive(secret_key, _ACCESS),
            algorithms=[ALGORITHM],
            issuer=ISSUER,
            audience=AUDIENCE,
            options=_OPTIONS,
        )
        return Claims(user_id=UUID(said["sub"]), session_id=UUID(said["sid"]), ends_at=int(said["exp"]))
    except (jwt.InvalidTokenError, RecursionError, ValueError, TypeError):  # a header of brackets recurses
        return None


def make_refresh_token(secret_key: Secret, session_id: UUID) -> str:
    """Return a new token of a session: `<session>.<128 random bits>.<HMAC>`."""
    nonce = secrets.token_urlsafe(16)
    return f"{session_id.hex}.{nonce}.{_proof(secret_key, session_id.hex, nonce)}"


def read_refresh_token(secret_key: Secret, token: str) -> UUID | None:
    """Return the session that we made `token` for, now or long ago; None when we did not make it.

    So nobody can end another's session with a token that merely looks like an old one.
    """
    match = _REFRESH_TOKEN.fullmatch(token)
    if match is None or not hmac.compare_digest(match[3], _proof(secret_key, match[1], match[2])):
        return None
    return UUID(match[1])


def _proof(secret_key: Secret, session: str, nonce: str) -> str:
    return derive_text(secret_key, _REFRESH, f"{session}.{nonce}")
