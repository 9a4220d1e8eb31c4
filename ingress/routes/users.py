"""Route to show the signed-in user."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gristmill.ingress.access.access_rules import signed_in
from gristmill.ingress.access.authenticate import current_person
from gristmill.ingress.http.api import PREFIX, Blueprint
from gristmill.ingress.schemas.people import UserAnswer
from gristmill.ingress.services import services
from gristmill.shared.people.queries import get_shown_user

if TYPE_CHECKING:
    from gristmill.shared.people.queries import ShownUser

blueprint = Blueprint("users", __name__, url_prefix=PREFIX, description="Users.")


@blueprint.route("/users/me", methods=["GET"])
@signed_in
@blueprint.response(200, UserAnswer)
@blueprint.doc(operationId="show_me")
def show_me() -> ShownUser:
    """Show the signed-in user."""
    with services().database.transaction() as session:
        return get_shown_user(session, current_person().user_id)
