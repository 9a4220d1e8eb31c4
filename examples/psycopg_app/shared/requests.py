"""The body of a request."""

from marshmallow import Schema, fields
from marshmallow.validate import Length, Range


class TransferRequest(Schema):
    """A payment: its sender, its receiver and its amount."""

    payer = fields.String(validate=Length(1, 100), required=True)
    payee = fields.String(validate=Length(1, 100), required=True)
    cents = fields.Integer(strict=True, validate=Range(1, 10**9), required=True)
