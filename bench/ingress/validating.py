"""The ingress with one more route, that checks a job as `POST /jobs` does, answers as it does, and stores nothing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, cast

from flask import Response, current_app

from gristmill.ingress import serve
from gristmill.ingress.accepting.accept_job import agree
from gristmill.ingress.accepting.accepted_job import show_accepted
from gristmill.ingress.accepting.callback_urls import CallbackUrls
from gristmill.ingress.access.access_rules import requires
from gristmill.ingress.access.authenticate import current_producer
from gristmill.ingress.http.api import PREFIX, Blueprint
from gristmill.ingress.schemas.jobs import AcceptedJob, JobRequest
from gristmill.ingress.services import services
from gristmill.shared.jobs.insert import Accepted

if TYPE_CHECKING:
    from flask import Flask

PATH = "/bench/validate"
blueprint = Blueprint("validating", __name__)


@blueprint.route(PATH, methods=["POST"])
@requires("jobs:write")
@blueprint.arguments(JobRequest())
@blueprint.response(202, AcceptedJob)
def validate_job(wanted: dict[str, Any]) -> Response:
    """Check a job, and forget it."""
    agreed = agree(services(), current_producer(), wanted, callbacks=CallbackUrls(services(), current_producer()))
    job = agreed.prepare(wanted["args"], secret_key=services().settings.secret_key)
    columns, now = job.terms.columns, datetime.now(UTC)
    accepted = Accepted(
        id=job.id,
        task=columns["task"],
        queue=columns["queue"],
        state="queued",
        priority=columns["priority"],
        run_at=now,
        expires_at=now,
        created_at=now,
    )
    answer = cast("Response", current_app.json.response(show_accepted(accepted)))
    answer.status_code = 202
    answer.headers["Location"] = f"{PREFIX}/jobs/{job.id}"
    return answer


def load() -> Flask:
    """Return the app of a worker process."""
    app = serve.load()
    app.register_blueprint(blueprint)
    return app
