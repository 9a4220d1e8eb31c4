"""Routes to list, search, count and cancel jobs by a filter."""

from __future__ import annotations

from typing import Any

from gristmill.ingress.access.access_rules import requires
from gristmill.ingress.access.authenticate import current_principal
from gristmill.ingress.http.api import PREFIX, OptionalBodyBlueprint
from gristmill.ingress.http.cursor import BY_ID
from gristmill.ingress.http.paging import read_page
from gristmill.ingress.operating.cancel_many import cancel_many, preview_cancel
from gristmill.ingress.operating.requested_filter import requested_jobs
from gristmill.ingress.schemas.job_lists import (
    CancelManyAnswer,
    CancelManyRequest,
    JobCount,
    JobPage,
    JobQuery,
    JobSearch,
)
from gristmill.ingress.schemas.lists import CountAnswer
from gristmill.ingress.services import services
from gristmill.shared.database.bounded_count import Count
from gristmill.shared.operating.queries_job_lists import count_jobs, list_jobs

blueprint = OptionalBodyBlueprint("job_lists", __name__, url_prefix=PREFIX, description="Jobs by a filter.")


@blueprint.route("/jobs", methods=["GET"])
@requires("jobs:read")
@blueprint.arguments(JobQuery(), location="query")
@blueprint.response(200, JobPage)
@blueprint.doc(operationId="list_jobs")
def list_own_jobs(wanted: dict[str, Any]) -> dict[str, Any]:
    """List jobs, newest first.

    A producer sees its own jobs; the scopes operator and admin see all jobs. `POST /jobs/search` accepts any filter.
    """
    return _page(wanted)


@blueprint.route("/jobs/search", methods=["POST"])
@requires("jobs:read")
@blueprint.arguments(JobSearch(), required=False)
@blueprint.response(200, JobPage)
@blueprint.doc(operationId="search_jobs")
def search_jobs(wanted: dict[str, Any]) -> dict[str, Any]:
    """List jobs by a filter, newest first.

    `where` is one comparison, `{"field": "state", "eq": "retrying"}`, or several combined by `and`, `or` and `not`. A
    filter that would have to read too many rows is refused with `FILTER_TOO_SLOW_001`: narrow it.
    """
    return _page(wanted)


@blueprint.route("/jobs/count", methods=["POST"])
@requires("jobs:read")
@blueprint.arguments(JobCount(), required=False)
@blueprint.response(200, CountAnswer)
@blueprint.doc(operationId="count_jobs")
def count_own_jobs(wanted: dict[str, Any]) -> Count:
    """Count jobs by a filter, up to 10,000."""
    with services().database.transaction() as session:
        return count_jobs(session, requested_jobs(current_principal(), wanted))


@blueprint.route("/jobs/cancel", methods=["POST"])
@requires("jobs:write")
@blueprint.arguments(CancelManyRequest())
@blueprint.response(200, CancelManyAnswer)
@blueprint.doc(operationId="cancel_jobs")
def cancel_jobs(wanted: dict[str, Any]) -> dict[str, Any]:
    """Cancel jobs by a filter.

    Jobs that wait end at once; running jobs are ended by their workers, as by `POST /jobs/{id}/cancel`. Jobs that have
    ended, or whose cancellation was requested before, do not change. If `more` is true, repeat the request.
    """
    dry_run, limit = wanted.pop("dry_run"), wanted.pop("limit")
    wanted.pop("all", None)
    database, chosen = services().database, requested_jobs(current_principal(), wanted)
    if dry_run:
        return preview_cancel(database, chosen)
    return cancel_many(database, chosen, actor=current_principal().name, limit=limit)


def _page(wanted: dict[str, Any]) -> dict[str, Any]:
    return read_page(
        services().database,
        wanted,
        lambda session, limit, before: list_jobs(
            session, requested_jobs(current_principal(), wanted), limit=limit, before=before
        ),
        cursor=BY_ID,
        key_of=lambda job: job.id,
    )
