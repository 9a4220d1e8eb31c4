"""Routes of the shop."""

from typing import Any

from marshmallow import Schema, fields

from gristmill import enqueue
from gristmill.web import Blueprint, requires, transaction

blueprint = Blueprint("shop", __name__, url_prefix="/shop", description="The shop.")


class OrderAnswer(Schema):
    """The answer to an order."""

    job = fields.UUID()


@blueprint.route("/orders/<int:number>", methods=["POST"])
@requires("jobs:write")
@blueprint.response(201, OrderAnswer)
def order(number: int) -> dict[str, Any]:
    """Order a report."""
    with transaction() as session:
        return {"job": enqueue(session, "report.build", number=number)}
