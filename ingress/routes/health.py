"""Routes of the liveness and readiness probes."""

from __future__ import annotations

from typing import Any

from gristmill.ingress.access.access_rules import public
from gristmill.ingress.errors import Refusal, envelope
from gristmill.ingress.health.readiness import DEADLINE, Check
from gristmill.ingress.http.api import Blueprint
from gristmill.ingress.schemas.health import Alive, ReadyAnswer
from gristmill.ingress.services import services
from gristmill.shared.errors import UnavailableError

blueprint = Blueprint("health", __name__, description="Probes for supervisors and load balancers.")


@blueprint.route("/healthz", methods=["GET"])
@blueprint.route("/health", methods=["GET"], endpoint="health")
@public
@blueprint.response(200, Alive)
def healthz() -> dict[str, str]:
    """Report that this process is alive.

    It checks no other service: one that is away is no reason to restart this process.
    """
    return {"status": "alive"}


@blueprint.route("/readyz", methods=["GET"])
@blueprint.route("/ready", methods=["GET"], endpoint="ready")
@public
@blueprint.response(200, ReadyAnswer)
@blueprint.alt_response(503, schema=ReadyAnswer, description="Unready: no job can be accepted.")
def readyz() -> tuple[dict[str, Any], int, dict[str, str]]:
    """Report whether this process can accept jobs.

    It cannot without Postgres and its migrations. Without Redis or the broker it is degraded and still accepts jobs.
    """
    report = services().readiness.check(DEADLINE)
    shown: dict[str, Any] = {
        "status": report.status,
        "checks": {name: _show(check) for name, check in report.checks.items()},
    }
    if report.status != "unready":
        return shown, 200, {}
    failed = {name: [check.cause or "failed"] for name, check in report.checks.items() if check.status == "failed"}
    refusal = Refusal(503, UnavailableError.code, f"Not ready: {', '.join(failed)}; see checks", failed)
    return shown | envelope(refusal), 503, {"Retry-After": "1"}


def _show(check: Check) -> dict[str, Any]:
    shown = {"status": check.status, "latency_ms": check.latency_ms}
    return shown | {"cause": check.cause} if check.cause is not None else shown
