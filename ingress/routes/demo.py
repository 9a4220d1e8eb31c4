"""Route to count the effects of demo tasks; registered only where the demo tasks are on."""

from __future__ import annotations

from typing import Any

from gristmill.ingress.access.access_rules import requires
from gristmill.ingress.http.api import PREFIX, Blueprint
from gristmill.ingress.schemas.demo import DemoEffectQuery, DemoEffects
from gristmill.ingress.services import services
from gristmill.tasks.demo.queries import count_demo_effects, list_demo_effects

blueprint = Blueprint("demo", __name__, url_prefix=PREFIX, description="Effects of the demo tasks.")


@blueprint.route("/demo/effects", methods=["GET"])
@requires("jobs:read")
@blueprint.arguments(DemoEffectQuery, location="query")
@blueprint.response(200, DemoEffects)
@blueprint.doc(operationId="list_demo_effects")
def list_effects(wanted: dict[str, Any]) -> dict[str, Any]:
    """Count the effects of `demo.effect` for a key.

    The table has no unique key, so an effect that happens twice is counted twice.
    """
    key = wanted["key"]
    with services().database.transaction() as session:
        rows = list_demo_effects(session, key, limit=100)
        return {"key": key, "count": count_demo_effects(session, key), "items": rows}
