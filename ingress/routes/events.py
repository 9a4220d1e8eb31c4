"""Route to follow the events of a job as they happen."""

from __future__ import annotations

from contextlib import ExitStack
from typing import Final
from uuid import UUID

from flask import Response, request

from gristmill.ingress.access.access_rules import requires
from gristmill.ingress.access.authenticate import current_principal
from gristmill.ingress.following.event_stream import stream
from gristmill.ingress.following.events import ID_PATTERN, KINDS, EventId
from gristmill.ingress.http.api import PREFIX, Blueprint
from gristmill.ingress.services import services
from gristmill.shared.errors import UnavailableError
from gristmill.shared.jobs.find import get_job

HEADER: Final = "Last-Event-ID"
_RETRY_AFTER: Final = 5  # seconds; a stream ends when its job does, which is not known in advance

blueprint = Blueprint("events", __name__, url_prefix=PREFIX, description="Events of a job, as they happen.")

_LAST = {
    "in": "header",
    "name": HEADER,
    "description": "The id of the last event received: the stream continues after it.",
    "schema": {"type": "string", "pattern": f"^{ID_PATTERN}$"},
    "example": "1-1-1893456000000",
}

_EVENT = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "event": {"type": "string", "enum": KINDS},
        "data": {"type": "string", "contentMediaType": "application/json"},
    },
    "required": ["id", "event", "data"],
}


@blueprint.route("/jobs/<uuid:job_id>/events", methods=["GET"])
@requires("jobs:read")
@blueprint.response(200, _EVENT, content_type="text/event-stream", description="Server-sent events.")
@blueprint.doc(operationId="follow_job", parameters=[_LAST])
def follow_job(job_id: UUID) -> Response:
    """Follow a job by server-sent events.

    Each event has an id, a type and JSON data, in most cases with the job's state. Past events come first, then each
    new one. The stream ends when the job does, or after a while: reconnect with `Last-Event-ID` to miss nothing. If too
    many streams are open, the answer is 503 at once.
    """
    # An empty header cannot be distinguished from one that the server could not read; browsers send neither.
    last = EventId.read(request.headers[HEADER]) if HEADER in request.headers else None
    with services().database.transaction() as session:
        get_job(session, job_id, producer_id=current_principal().sees)
    with ExitStack() as until_closed:
        follower = until_closed.enter_context(services().followers.follow(job_id))
        if follower is None:
            msg = "Too many streams are open; try again later, or GET the job with ?wait="
            raise UnavailableError(msg, retry_after=_RETRY_AFTER)
        events = stream(
            services().database,
            follower,
            job_id,
            current_principal(),
            last=last,
            seconds=services().settings.web_stream_seconds,
        )
        answer = Response(events, mimetype="text/event-stream", headers={"X-Accel-Buffering": "no"})
        answer.call_on_close(until_closed.pop_all().close)
    return answer
