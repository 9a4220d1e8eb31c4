"""Passwords of people: what a good one is, and the hash that is kept of it."""

from __future__ import annotations

from typing import Final

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError
from argon2.low_level import Type
from marshmallow import ValidationError

SHORTEST: Final = 8
LONGEST: Final = 128  # characters; hashing must not become a way to keep a process busy

# Argon2id with 19 MiB, 2 passes, 1 lane: OWASP's Password Storage Cheat Sheet.
_HASHER: Final = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1, type=Type.ID)


def check_password(password: str) -> None:
    """Accept 8 to 128 characters with an upper-case letter and a digit.

    Raises:
        ValidationError: names everything that is missing, and never the password.
    """
    problems = []
    if not SHORTEST <= len(password) <= LONGEST:
        problems.append(f"must have {SHORTEST} to {LONGEST} characters")
    if not any(character.isupper() for character in password):
        problems.append("must have an upper-case letter")
    if not any(character.isdigit() for character in password):
        problems.append("must have a digit")
    if problems:
        raise ValidationError(problems)


def hash_password(password: str) -> str:
    """Return the Argon2id hash of `password`, with its salt and parameters in it. Takes some 20 ms and 19 MiB."""
    return _HASHER.hash(password)


def password_matches(password_hash: str, password: str) -> bool:
    """Say whether `password` is the one that was hashed, in the same time for every wrong one."""
    try:
        return _HASHER.verify(password_hash, password)
    except (VerificationError, InvalidHashError):
        return False
