"""Schemas of registration, sign-in, tokens and users."""

from __future__ import annotations

from typing import Final

from marshmallow import Schema, ValidationError, fields
from marshmallow.validate import Length, OneOf

from gristmill.ingress.schemas.fields import Flag, Time, short_text
from gristmill.shared.filters.kinds import STORABLE
from gristmill.shared.people.address import Address
from gristmill.shared.people.passwords import LONGEST, SHORTEST, check_password
from gristmill.shared.people.sessions import SCOPES_OF
from gristmill.shared.people.tokens import LONGEST as LONGEST_TOKEN

LONGEST_NAME: Final = 200
_EMAIL: Final = {"example": "ada@example.com"}
_PASSWORD: Final = {"format": "password", "pattern": STORABLE, "writeOnly": True, "example": "Correct-horse-1"}


def _must_be_true(value: bool) -> None:
    if not value:
        raise ValidationError("Must be true to create an account.")


class RegisterRequest(Schema):
    email = Address(required=True, metadata=_EMAIL)
    password = fields.String(
        required=True,
        validate=check_password,
        metadata={
            **_PASSWORD,
            "minLength": SHORTEST,
            "maxLength": LONGEST,
            "description": "At least one upper-case letter and one digit.",
        },
    )
    full_name = short_text(LONGEST_NAME, required=True, metadata={"example": "Ada Lovelace"})
    terms_accepted = Flag(
        required=True,
        validate=_must_be_true,
        metadata={"enum": [True], "example": True, "description": "Must be true."},
    )


class LoginRequest(Schema):
    email = Address(required=True, metadata=_EMAIL)
    password = fields.String(required=True, validate=Length(1, LONGEST), metadata=_PASSWORD)


class RefreshRequest(Schema):
    refresh_token = fields.String(
        required=True,
        validate=Length(1, LONGEST_TOKEN),
        metadata={
            "pattern": STORABLE,
            "writeOnly": True,
            "description": "The latest refresh token of the session; it can be used once.",
        },
    )


class TokensAnswer(Schema):
    """The tokens of a session; they are shown once and not stored."""

    access_token = fields.String(
        required=True, metadata={"description": "A JWT; send it as `Authorization: Bearer …`."}
    )
    token_type = fields.String(required=True, validate=OneOf(["Bearer"]))
    expires_in = fields.Integer(required=True, metadata={"description": "Seconds for which the access token is valid."})
    refresh_token = fields.String(
        required=True, metadata={"description": "For `POST /api/v1/auth/refresh`; store it like a password."}
    )
    refresh_expires_in = fields.Integer(
        required=True, metadata={"description": "Seconds for which the refresh token is valid, if it is not used."}
    )


class UserAnswer(Schema):
    id = fields.UUID(required=True)
    email = fields.String(required=True)
    full_name = fields.String(required=True)
    role = fields.String(required=True, validate=OneOf(list(SCOPES_OF)))
    status = fields.String(required=True, validate=OneOf(["active", "inactive", "suspended"]))
    email_verified_at = Time(required=True, allow_none=True)
    created_at = Time(required=True)
