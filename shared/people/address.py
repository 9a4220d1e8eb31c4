"""A mail address as an argument: checked by its form, and normalised."""

from __future__ import annotations

from typing import Any

from email_validator import EmailNotValidError, validate_email
from marshmallow import ValidationError, fields


class Address(fields.String):
    """An e-mail address (RFC 5322 as people use it; IDN domains and non-ASCII names too). Nothing is looked up."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**{**options, "metadata": {"format": "email", **options.get("metadata", {})}})

    def _deserialize(self, value: Any, attr: str | None, data: Any, **options: Any) -> str:
        text: str = super()._deserialize(value, attr, data, **options)
        try:  # `.test` is let in: it is what a platform is tried with, and RFC 2606 keeps it from ever being anybody's
            checked = validate_email(text, check_deliverability=False, test_environment=True)
        except EmailNotValidError as error:
            msg = f"is not an e-mail address: {error}"
            raise ValidationError(msg) from None
        return checked.ascii_email or checked.normalized
