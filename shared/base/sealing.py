"""Seal (encrypt) passwords and secrets before they are stored, and derive keys and hashes.

Most jobs have no secret arguments: cryptography is imported for the first one.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from gristmill.shared.base.secret import Secret
from gristmill.shared.errors import PermanentError

if TYPE_CHECKING:
    from cryptography.fernet import Fernet

SEALED: Final = "$sealed"


def derive(secret_key: Secret, purpose: str, message: str = "") -> bytes:
    """Return a key of 32 bytes for `purpose` and `message` (HMAC-SHA256, RFC 2104), which reveals nothing of ours."""
    return hmac.new(secret_key.reveal().encode(), f"{purpose}\x00{message}".encode(), hashlib.sha256).digest()


def derive_text(secret_key: Secret, purpose: str, message: str) -> str:
    """Return the result of `derive` as 43 characters that a URL may hold."""
    return base64.urlsafe_b64encode(derive(secret_key, purpose, message)).rstrip(b"=").decode()


def hash_token(token: str) -> bytes:
    """Return the hash to store for a token: SHA-256 is enough, since nobody can guess a token."""
    return hashlib.sha256(token.encode()).digest()


def _fernet(secret_key: Secret, purpose: str = "sealed-args") -> Fernet:
    from cryptography.fernet import Fernet

    return Fernet(base64.urlsafe_b64encode(derive(secret_key, purpose)))


def seal_text(secret_key: Secret, purpose: str, text: str) -> str:
    """Return `text` encrypted, for `purpose` alone."""
    return _fernet(secret_key, purpose).encrypt(text.encode()).decode()


def unseal_text(secret_key: Secret, purpose: str, sealed: str) -> str:
    """Return a text as it was before `seal_text`.

    Raises:
        PermanentError: it was sealed with another GRISTMILL_SECRET_KEY.
    """
    from cryptography.fernet import InvalidToken

    try:
        return _fernet(secret_key, purpose).decrypt(sealed.encode()).decode()
    except InvalidToken:
        msg = f"The {purpose} was sealed with another GRISTMILL_SECRET_KEY; make a new one"
        raise PermanentError(msg, code="SECRET_UNREADABLE") from None


def seal(secret_key: Secret, args: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """Return `args` with the values of `names` encrypted (Fernet: AES-128-CBC and HMAC-SHA256)."""
    if not names:
        return dict(args)
    fernet = _fernet(secret_key)
    return {
        name: {SEALED: fernet.encrypt(str(value).encode()).decode()} if name in names and value is not None else value
        for name, value in args.items()
    }


def unseal(secret_key: Secret, args: Mapping[str, Any], names: frozenset[str]) -> dict[str, Any]:
    """Return `args` as they were before `seal`.

    Raises:
        PermanentError: a value was sealed with another GRISTMILL_SECRET_KEY.
    """
    if not names:
        return dict(args)
    from cryptography.fernet import InvalidToken

    fernet = _fernet(secret_key)
    opened = dict(args)
    for name in names & args.keys():
        value = args[name]
        if isinstance(value, Mapping) and SEALED in value:
            try:
                opened[name] = fernet.decrypt(str(value[SEALED]).encode()).decode()
            except InvalidToken:
                msg = f"The argument {name} was sealed with another GRISTMILL_SECRET_KEY; post the job again"
                raise PermanentError(msg, code="ARGS_UNREADABLE") from None
    return opened
