"""Route to post many jobs in one request."""

from __future__ import annotations

from typing import Any, Final, cast

from flask import Response, current_app, request

from gristmill.ingress.accepting.accept_batch import Outcome, accept_batch
from gristmill.ingress.accepting.accept_job import QUOTA_USED_UP, read_traceparent
from gristmill.ingress.accepting.accepted_job import show_accepted
from gristmill.ingress.accepting.idempotency import HEADER, LONGEST, PATTERN, read_key
from gristmill.ingress.access.access_rules import requires
from gristmill.ingress.access.authenticate import current_producer
from gristmill.ingress.errors import explain
from gristmill.ingress.http.api import PREFIX, Blueprint
from gristmill.ingress.http.json import accepts_bodies_up_to, body
from gristmill.ingress.schemas.batches import BatchAnswer, BatchRequest
from gristmill.ingress.schemas.errors import ErrorEnvelope
from gristmill.ingress.services import services
from gristmill.shared.jobs.insert import Accepted

LARGEST_BATCH: Final = 1024 * 1024  # bytes; a thousand jobs of 1 KiB

blueprint = Blueprint("batches", __name__, url_prefix=PREFIX, description="Many jobs in one request.")

_IDEMPOTENCY_KEY = {
    "in": "header",
    "name": HEADER,
    "description": "A batch that is repeated with the same key within 24 hours returns the jobs accepted before, and "
    "tries the refused entries again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": PATTERN},
}
_POSTED = {
    "Idempotency-Replayed": {
        "schema": {"type": "string", "enum": ["true"]},
        "description": "Present if every job of the answer was accepted before.",
    }
}


@blueprint.route("/jobs/batch", methods=["POST"])
@requires("jobs:write", people=False)
@accepts_bodies_up_to(LARGEST_BATCH)
@blueprint.arguments(BatchRequest())
@blueprint.response(202, BatchAnswer, headers=_POSTED, description="One result for each entry, in order.")
@blueprint.alt_response(429, schema=ErrorEnvelope, description=QUOTA_USED_UP)
@blueprint.doc(parameters=[_IDEMPOTENCY_KEY], operationId="post_batch")
def post_jobs(wanted: dict[str, Any]) -> Response:
    """Post up to 1,000 jobs.

    Each entry is accepted or refused on its own, unless the batch is `atomic`. Accepted jobs are stored before the
    answer is sent.
    """
    outcomes = accept_batch(
        services(),
        current_producer(),
        wanted["jobs"],
        body=body(),
        key=read_key(request.headers.get(HEADER)),
        atomic=wanted["atomic"],
        traceparent=read_traceparent(request.headers.get("traceparent")),
    )
    answer = cast("Response", current_app.json.response({"results": [_show(outcome) for outcome in outcomes]}))
    answer.status_code = 202
    accepted = [outcome for outcome in outcomes if isinstance(outcome, Accepted)]
    if accepted and all(outcome.replayed for outcome in accepted):
        answer.headers["Idempotency-Replayed"] = "true"
    return answer


def _show(outcome: Outcome) -> dict[str, Any]:
    if isinstance(outcome, Accepted):
        return show_accepted(outcome)
    refusal = explain(outcome)
    return {"error": {"code": refusal.code, "message": refusal.message, "details": refusal.details}}
