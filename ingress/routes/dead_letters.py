"""Routes to show, redrive and discard one dead letter."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from gristmill.ingress.access.access_rules import requires
from gristmill.ingress.access.authenticate import current_principal
from gristmill.ingress.http.api import PREFIX, OptionalBodyBlueprint
from gristmill.ingress.operating.dead_letter_details import show_dead_letter_details, show_listed_dead_letter
from gristmill.ingress.schemas.dead_letters import DeadLetterAnswer, DeadLetterDetails, DiscardRequest, RedriveRequest
from gristmill.ingress.schemas.errors import ErrorEnvelope
from gristmill.ingress.schemas.jobs import ListedJob
from gristmill.ingress.services import services
from gristmill.shared.dead_letters.queries import get_letter
from gristmill.shared.dead_letters.redrive import discard_one, redrive_one

blueprint = OptionalBodyBlueprint(
    "dead_letters",
    __name__,
    url_prefix=PREFIX,
    description="Jobs that ended without success, kept with their errors and attempts.",
)
_LOCATION = {"Location": {"schema": {"type": "string"}, "description": "The URL of the job."}}
_RESOLVED = "It was redriven or discarded already; the message says by whom."


@blueprint.route("/dead-letters/<uuid:letter_id>", methods=["GET"])
@requires("jobs:read")
@blueprint.response(200, DeadLetterDetails)
@blueprint.doc(operationId="show_dead_letter")
def show_dead_letter(letter_id: UUID) -> dict[str, Any]:
    """Show a dead letter.

    Includes the error, every attempt and the broker's headers; for a message that never was a job, also its body.
    """
    principal = current_principal()
    with services().database.transaction() as session:
        letter = get_letter(session, letter_id, producer_id=principal.sees)
        return show_dead_letter_details(
            session, letter, tracebacks=principal.is_admin, payloads=principal.sees_payloads
        )


@blueprint.route("/dead-letters/<uuid:letter_id>/redrive", methods=["POST"])
@requires("dead_letters:write")
@blueprint.arguments(RedriveRequest(), required=False)
@blueprint.response(202, ListedJob, headers=_LOCATION, description="The job is queued again.")
@blueprint.alt_response(409, schema=ErrorEnvelope, description=f"{_RESOLVED} Or a live job has its unique key.")
@blueprint.doc(operationId="redrive_dead_letter")
def redrive_dead_letter(wanted: dict[str, Any], letter_id: UUID) -> tuple[Any, int, dict[str, str]]:
    """Redrive a dead letter: queue its job again.

    The arguments may be corrected. The job gets as many attempts as it had at first, and keeps its history.
    """
    principal = current_principal()
    with services().database.transaction() as session:
        job = redrive_one(
            session,
            letter_id,
            actor=principal.name,
            producer_id=principal.sees,
            args=wanted.get("args"),
            allowed_tasks=principal.allowed_tasks,
        )
    return job, 202, {"Location": f"{PREFIX}/jobs/{job.id}"}


@blueprint.route("/dead-letters/<uuid:letter_id>/discard", methods=["POST"])
@requires("dead_letters:write")
@blueprint.arguments(DiscardRequest())
@blueprint.response(200, DeadLetterAnswer)
@blueprint.alt_response(409, schema=ErrorEnvelope, description=_RESOLVED)
@blueprint.doc(operationId="discard_dead_letter")
def discard_dead_letter(wanted: dict[str, Any], letter_id: UUID) -> dict[str, Any]:
    """Discard a dead letter: resolve it with a reason, without another attempt; its job stays dead."""
    principal = current_principal()
    with services().database.transaction() as session:
        letter = discard_one(
            session, letter_id, actor=principal.name, producer_id=principal.sees, reason=wanted["reason"]
        )
    return show_listed_dead_letter(letter)
