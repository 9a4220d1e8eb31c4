"""Routes to list, show, pause and resume queues."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from gristmill.ingress.access.access_rules import requires
from gristmill.ingress.access.authenticate import current_principal
from gristmill.ingress.http.api import PREFIX, Blueprint
from gristmill.ingress.operating.queue_details import show_depth
from gristmill.ingress.schemas.queues import PauseRequest, QueueAnswer, QueueList
from gristmill.ingress.services import services
from gristmill.shared.operating.pause import check_queue, pause_queue, resume_queue
from gristmill.shared.operating.queries_queue_depths import list_depths
from gristmill.shared.queues import QUEUES

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_NAME: Final = [{"in": "path", "name": "name", "schema": {"type": "string", "enum": list(QUEUES)}}]
blueprint = Blueprint("queues", __name__, url_prefix=PREFIX, description="Queues, in which jobs wait for a worker.")


@blueprint.route("/queues", methods=["GET"])
@requires("queues:read")
@blueprint.response(200, QueueList)
@blueprint.doc(operationId="list_queues")
def list_queues() -> dict[str, Any]:
    """List the queues.

    Includes for each its jobs by state, rates, number of workers, and whether it is paused.
    """
    with services().database.transaction() as session:
        return {"items": [show_depth(depth) for depth in list_depths(session)], "next_cursor": None}


@blueprint.route("/queues/<name>", methods=["GET"], parameters=_NAME)
@requires("queues:read")
@blueprint.response(200, QueueAnswer)
@blueprint.doc(operationId="show_queue")
def show_queue(name: str) -> dict[str, Any]:
    """Show a queue."""
    check_queue(name)
    with services().database.transaction() as session:
        return _show_queue(session, name)


@blueprint.route("/queues/<name>/pause", methods=["POST"], parameters=_NAME)
@requires("queues:write")
@blueprint.arguments(PauseRequest())
@blueprint.response(200, QueueAnswer, description="The queue is paused, now or earlier.")
@blueprint.doc(operationId="pause_queue")
def pause_one_queue(wanted: dict[str, Any], name: str) -> dict[str, Any]:
    """Pause a queue.

    Its jobs are accepted and not started until the queue is resumed. Running jobs continue, and jobs that wait too long
    expire. Jobs of high priority wait in `priority_queue`, whatever their task. If the queue is paused already, the
    first name and reason stay.
    """
    with services().database.transaction() as session:
        pause_queue(session, name, actor=current_principal().name, reason=wanted["reason"])
        return _show_queue(session, name)


@blueprint.route("/queues/<name>/resume", methods=["POST"], parameters=_NAME)
@requires("queues:write")
@blueprint.response(200, QueueAnswer, description="The queue is resumed, or was not paused.")
@blueprint.doc(operationId="resume_queue")
def resume_one_queue(name: str) -> dict[str, Any]:
    """Resume a queue. The jobs that waited start at once."""
    with services().database.transaction() as session:
        resume_queue(session, name, actor=current_principal().name)
        return _show_queue(session, name)


def _show_queue(session: Session, name: str) -> dict[str, Any]:
    (depth,) = list_depths(session, [name])
    return show_depth(depth)
