"""Operations on jobs, in the database."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from gristmill.backends.database_operations.operator import Operator
from gristmill.ingress.accepting.start_and_expiry import check_start_and_expiry
from gristmill.ingress.http.cursor import BY_ID
from gristmill.ingress.http.paging import read_page
from gristmill.ingress.operating.cancel_many import cancel_many, preview_cancel
from gristmill.ingress.operating.requested_filter import requested_jobs
from gristmill.ingress.schemas.job_lists import CancelManyAnswer, CancelManyRequest, JobCount, JobPage, JobSearch
from gristmill.ingress.schemas.jobs import AcceptedJob, ChangedJob, JobDetails, JobRequest
from gristmill.ingress.schemas.lists import CountAnswer
from gristmill.shared.errors import InvalidError
from gristmill.shared.jobs.enqueue import JobOptions, enqueue
from gristmill.shared.jobs.find import get_job
from gristmill.shared.operating.cancel import cancel_job as cancel_one
from gristmill.shared.operating.job_details import show_job as show_details
from gristmill.shared.operating.queries_job_lists import count_jobs as count
from gristmill.shared.operating.queries_job_lists import list_jobs
from gristmill.shared.operating.run_now import run_job_now

_NO_PRODUCER = "A job that is posted in the database has no producer, whose secret would sign the callback."


def search_jobs(by: Operator, body: dict[str, Any]) -> Any:
    """List jobs by a filter, newest first."""
    wanted = JobSearch().load(body)
    page = read_page(
        by.database,
        wanted,
        lambda session, limit, before: list_jobs(
            session, requested_jobs(by.principal, wanted), limit=limit, before=before
        ),
        cursor=BY_ID,
        key_of=lambda job: job.id,
    )
    return JobPage().dump(page)


def count_jobs(by: Operator, body: dict[str, Any]) -> Any:
    """Count jobs by a filter."""
    chosen = requested_jobs(by.principal, JobCount().load(body))
    with by.database.transaction() as session:
        return CountAnswer().dump(count(session, chosen))


def cancel_jobs(by: Operator, body: dict[str, Any]) -> Any:
    """Cancel jobs by a filter, or count them in a dry run."""
    wanted = CancelManyRequest().load(body)
    dry_run, limit = wanted.pop("dry_run"), wanted.pop("limit")
    wanted.pop("all", None)
    chosen = requested_jobs(by.principal, wanted)
    if dry_run:
        return CancelManyAnswer().dump(preview_cancel(by.database, chosen))
    return CancelManyAnswer().dump(cancel_many(by.database, chosen, actor=by.name, limit=limit))


def show_job(by: Operator, _body: dict[str, Any], job_id: UUID) -> Any:
    """Show a job with its attempts, tracebacks included."""
    with by.database.transaction() as session:
        return JobDetails().dump(show_details(session, get_job(session, job_id), tracebacks=True))


def post_job(by: Operator, body: dict[str, Any]) -> Any:
    """Enqueue a job without a producer."""
    wanted = JobRequest().load(body)
    if wanted.get("callback_url"):
        raise InvalidError("The request is not valid", {"callback_url": [_NO_PRODUCER]})
    check_start_and_expiry(wanted.get("run_at"), wanted.get("delay"), wanted.get("expires_at"))
    options = JobOptions(
        run_at=wanted.get("run_at"),
        delay=timedelta(seconds=wanted["delay"]) if "delay" in wanted else None,
        priority=wanted["priority"],
        expires_at=wanted.get("expires_at"),
        max_attempts=wanted.get("max_attempts"),
        unique_key=wanted.get("unique_key"),
        tags=tuple(wanted["tags"]),
    )
    with by.database.transaction() as session:
        job_id = enqueue(session, wanted["task"], options, **wanted["args"])
        return AcceptedJob().dump(get_job(session, job_id))


def cancel_job(by: Operator, _body: dict[str, Any], job_id: UUID) -> Any:
    """Cancel a job, or ask its worker to."""
    with by.database.transaction() as session:
        return ChangedJob().dump(cancel_one(session, job_id, actor=by.name))


def retry_job(by: Operator, _body: dict[str, Any], job_id: UUID) -> Any:
    """Run a waiting job immediately."""
    with by.database.transaction() as session:
        return ChangedJob().dump(run_job_now(session, job_id, actor=by.name))
