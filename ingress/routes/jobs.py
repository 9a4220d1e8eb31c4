"""Post, show, cancel and hurry jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, cast
from uuid import UUID

from flask import Response, current_app, request

from gristmill.ingress.accepting.accept_job import QUOTA_USED_UP, accept_job, read_traceparent
from gristmill.ingress.accepting.accepted_job import show_accepted
from gristmill.ingress.accepting.idempotency import HEADER, LONGEST, PATTERN, read_key
from gristmill.ingress.access.access_rules import requires
from gristmill.ingress.access.authenticate import current_principal, current_producer
from gristmill.ingress.http.api import PREFIX, Blueprint
from gristmill.ingress.http.json import body
from gristmill.ingress.http.prefer import PREFER, read_wait
from gristmill.ingress.schemas.errors import ErrorEnvelope
from gristmill.ingress.schemas.jobs import AcceptedJob, ChangedJob, EndedJob, JobDetails, JobRequest, JobWait
from gristmill.ingress.services import services
from gristmill.shared.jobs.find import get_job
from gristmill.shared.jobs.insert import Accepted
from gristmill.shared.jobs.models import Job
from gristmill.shared.operating.cancel import cancel_job
from gristmill.shared.operating.job_details import show_job
from gristmill.shared.operating.run_now import run_job_now
from gristmill.shared.states import FINAL, State

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

blueprint = Blueprint("jobs", __name__, url_prefix=PREFIX, description="Requests to run a task once.")

_IDEMPOTENCY_KEY = {
    "in": "header",
    "name": HEADER,
    "description": "For 24 hours the same body gets the same answer again, and never makes a second job.",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": PATTERN},
}
_POSTED = {
    "Location": {"schema": {"type": "string"}, "description": "Where the job is to be seen."},
    "Idempotency-Replayed": {"schema": {"type": "string", "enum": ["true"]}, "description": "There on a replay."},
}
_WAITED = _POSTED | {
    "Preference-Applied": {"schema": {"type": "string"}, "description": "How long was waited at most: `wait=10`."}
}


@blueprint.route("/jobs", methods=["POST"])
@requires("jobs:write", people=False)
@blueprint.arguments(JobRequest())
@blueprint.response(202, AcceptedJob, headers=_POSTED, description="Accepted: it is stored, and will be run.")
@blueprint.alt_response(
    200,
    schema=EndedJob(partial=True),
    headers=_WAITED,
    description="A live job has the same `unique_key`: this one. Or it was waited for, and here is how it ended.",
)
@blueprint.alt_response(429, schema=ErrorEnvelope, description=QUOTA_USED_UP)
@blueprint.doc(parameters=[_IDEMPOTENCY_KEY, PREFER], operationId="post_job")
def post_job(wanted: dict[str, Any]) -> Response:
    """Post a job.

    It is stored when this answers, and is then run to an end exactly once, whatever dies. With `Prefer: wait=10` the
    answer comes when it has ended, or after ten seconds as usual; at once, where too many wait already.
    """
    accepted = accept_job(
        services(),
        current_producer(),
        wanted,
        body=body(),
        key=read_key(request.headers.get(HEADER)),
        traceparent=read_traceparent(request.headers.get("traceparent")),
    )
    seconds = read_wait(request.headers.get("Prefer"))
    if seconds is None:
        return _answer(accepted)
    services().followers.wait(accepted.id, seconds)
    with services().database.transaction() as session:
        job = get_job(session, accepted.id)
        ended = EndedJob().dump(_show(session, job)) if job.state in FINAL else None
    answer = _answer(accepted, ended)
    answer.headers["Preference-Applied"] = f"wait={seconds:.0f}"
    return answer


def _answer(accepted: Accepted, ended: dict[str, Any] | None = None) -> Response:
    answer = cast("Response", current_app.json.response(show_accepted(accepted) if ended is None else ended))
    answer.status_code = 200 if accepted.duplicate or ended is not None else 202
    answer.headers["Location"] = f"{PREFIX}/jobs/{accepted.id}"
    if accepted.replayed:
        answer.headers["Idempotency-Replayed"] = "true"
    return answer


@blueprint.route("/jobs/<uuid:job_id>", methods=["GET"])
@requires("jobs:read")
@blueprint.arguments(JobWait(), location="query")
@blueprint.response(200, JobDetails)
@blueprint.doc(operationId="show_job")
def show_one_job(wanted: dict[str, Any], job_id: UUID) -> dict[str, Any]:
    """Show all of a job.

    Where it is and why, its arguments, attempts and result. Another producer's job is answered with 404. With `wait`
    the answer comes when it has ended, after that many seconds at the latest; at once, where too many wait already.
    """
    if wanted["wait"]:
        with services().database.transaction() as session:
            get_job(session, job_id, producer_id=current_principal().sees)
        services().followers.wait(job_id, wanted["wait"])
    with services().database.transaction() as session:
        job = get_job(session, job_id, producer_id=current_principal().sees)
        return _show(session, job)


def _show(session: Session, job: Job) -> dict[str, Any]:
    return show_job(session, job, tracebacks=current_principal().is_admin, payloads=current_principal().sees_payloads)


@blueprint.route("/jobs/<uuid:job_id>/cancel", methods=["POST"])
@requires("jobs:write")
@blueprint.response(200, ChangedJob, description="It is cancelled, now or before.")
@blueprint.alt_response(202, schema=ChangedJob, description="It runs: its worker is asked to end it.")
@blueprint.alt_response(409, schema=ErrorEnvelope, description="It has succeeded, or is dead.")
@blueprint.doc(operationId="cancel_job")
def cancel_one_job(job_id: UUID) -> tuple[Job, int]:
    """Cancel a job.

    One that waits ends at once. One that runs is told so, and its process is ended when it does not return within a
    grace; what it did in Postgres is undone. It may still succeed, if it was about to.
    """
    with services().database.transaction() as session:
        job = cancel_job(session, job_id, actor=current_principal().name, producer_id=current_principal().sees)
    return job, 202 if job.state == State.RUNNING else 200


@blueprint.route("/jobs/<uuid:job_id>/retry", methods=["POST"])
@requires("jobs:write")
@blueprint.response(200, ChangedJob, description="It is due now.")
@blueprint.alt_response(409, schema=ErrorEnvelope, description="It runs or has ended; the message says what to do.")
@blueprint.doc(operationId="retry_job")
def retry_one_job(job_id: UUID) -> Job:
    """Let a job that waits for its time, or for its next attempt, run now.

    A dead one is put back to work by redriving its dead letter.
    """
    with services().database.transaction() as session:
        return run_job_now(session, job_id, actor=current_principal().name, producer_id=current_principal().sees)
