"""Route of the metrics of this process and of the queues, for Prometheus."""

from __future__ import annotations

from typing import Final

from flask import Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from gristmill.ingress.access.access_rules import requires
from gristmill.ingress.http.api import Blueprint
from gristmill.ingress.services import services

blueprint = Blueprint("metrics", __name__, description="Metrics for Prometheus.")
_TEXT: Final = {"type": "string"}


@blueprint.route("/metrics", methods=["GET"])
@requires("queues:read")
@blueprint.response(200, _TEXT, content_type=CONTENT_TYPE_LATEST, description="Prometheus' text format.")
@blueprint.doc(operationId="show_metrics")
def show_metrics() -> Response:
    """Show metrics.

    Includes requests by route and status, jobs and requests that wait in this process, and depth, age, rate and dead
    letters of each queue. Give Prometheus a key with the scope `queues:read`.
    """
    return Response(generate_latest(services().metrics.registry), content_type=CONTENT_TYPE_LATEST)
