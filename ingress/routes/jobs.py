"""Routes to post, show, cancel and immediately run one job."""

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
    "description": "A request that is repeated with the same key and body within 24 hours returns the first job again.",
    "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST, "pattern": PATTERN},
}
_POSTED = {
    "Location": {"schema": {"type": "string"}, "description": "The URL of the job."},
    "Idempotency-Replayed": {"schema": {"type": "string", "enum": ["true"]}, "description": "Present on a replay."},
}
_WAITED = _POSTED | {
    "Preference-Applied": {"schema": {"type": "string"}, "description": "The longest wait that was applied: `wait=10`."}
}


@blueprint.route("/jobs", methods=["POST"])
@requires("jobs:write", people=False)
@blueprint.arguments(JobRequest())
@blueprint.response(202, AcceptedJob, headers=_POSTED, description="Accepted: the job is stored and will run.")
@blueprint.alt_response(
    200,
    schema=EndedJob(partial=True),
    headers=_WAITED,
    description="A live job with the same `unique_key` exists: this one. Or, with `Prefer: wait`, the job has ended.",
)
@blueprint.alt_response(429, schema=ErrorEnvelope, description=QUOTA_USED_UP)
@blueprint.doc(parameters=[_IDEMPOTENCY_KEY, PREFER], operationId="post_job")
def post_job(wanted: dict[str, Any]) -> Response:
    """Post a job.

    The job is stored before the answer is sent, and then reaches its end exactly once, whatever fails. With
    `Prefer: wait=10` the answer comes when the job has ended, or after ten seconds; at once if too many requests wait.
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
    """Show a job.

    Includes its state and the reason why it waits, its arguments, attempts and result. The job of another producer is
    not found (404). With `wait` the answer comes when the job has ended, or after that many seconds; at once if too
    many requests wait.
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
@blueprint.response(200, ChangedJob, description="The job is cancelled, now or earlier.")
@blueprint.alt_response(202, schema=ChangedJob, description="The job is running: its worker is asked to end it.")
@blueprint.alt_response(409, schema=ErrorEnvelope, description="The job has succeeded, or is dead.")
@blueprint.doc(operationId="cancel_job")
def cancel_one_job(job_id: UUID) -> tuple[Job, int]:
    """Cancel a job.

    A job that waits ends at once. A running job is asked to end; its process is killed if it does not return within a
    grace period, and its changes in Postgres are rolled back. It may still succeed, if it was about to.
    """
    with services().database.transaction() as session:
        job = cancel_job(session, job_id, actor=current_principal().name, producer_id=current_principal().sees)
    return job, 202 if job.state == State.RUNNING else 200


@blueprint.route("/jobs/<uuid:job_id>/retry", methods=["POST"])
@requires("jobs:write")
@blueprint.response(200, ChangedJob, description="The job is due now.")
@blueprint.alt_response(
    409, schema=ErrorEnvelope, description="The job is running or has ended; the message says what to do."
)
@blueprint.doc(operationId="retry_job")
def retry_one_job(job_id: UUID) -> Job:
    """Run a job immediately that is scheduled, or that waits for its next attempt.

    To run a dead job again, redrive its dead letter.
    """
    with services().database.transaction() as session:
        return run_job_now(session, job_id, actor=current_principal().name, producer_id=current_principal().sees)
