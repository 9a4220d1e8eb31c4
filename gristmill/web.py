"""Routes of plugins: the blueprint, the access rules and the transaction that a view uses. These names stay.

A module of routes imports it, and only the ingress imports that module:

    from gristmill.web import Blueprint, requires, transaction

    blueprint = Blueprint("orders", __name__, url_prefix="/shop/orders")

    @blueprint.route("/<int:number>")
    @requires("jobs:read")
    @blueprint.response(200, OrderAnswer)
    def show_order(number):
        with transaction() as session:
            return find_order(session, number)
"""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import TYPE_CHECKING

from gristmill.ingress.access.access_rules import public, requires, signed_in
from gristmill.ingress.access.authenticate import current_principal
from gristmill.ingress.http.api import Blueprint
from gristmill.ingress.services import services

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

__all__ = ["Blueprint", "current_principal", "public", "requires", "signed_in", "transaction"]


def transaction() -> AbstractContextManager[Session]:
    """Open a transaction on the platform's database; its end is the commit, and an exception rolls it back.

    `gristmill.enqueue` works in its session.
    """
    return services().database.transaction()
