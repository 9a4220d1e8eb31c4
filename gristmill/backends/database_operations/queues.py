"""Operations on queues, in the database."""

from typing import TYPE_CHECKING, Any

from gristmill.backends.database_operations.operator import Operator
from gristmill.ingress.operating.queue_details import show_depth
from gristmill.ingress.schemas.queues import PauseRequest, QueueAnswer, QueueList
from gristmill.shared.operating.pause import check_queue
from gristmill.shared.operating.pause import pause_queue as pause
from gristmill.shared.operating.pause import resume_queue as resume
from gristmill.shared.operating.queries_queue_depths import list_depths

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def list_queues(by: Operator, _body: dict[str, Any]) -> Any:
    """List the queues with their jobs by state."""
    with by.database.transaction() as session:
        shown = [show_depth(depth) for depth in list_depths(session)]
    return QueueList().dump({"items": shown, "next_cursor": None})


def show_queue(by: Operator, _body: dict[str, Any], name: str) -> Any:
    """Show a queue."""
    check_queue(name)
    with by.database.transaction() as session:
        return _show(session, name)


def pause_queue(by: Operator, body: dict[str, Any], name: str) -> Any:
    """Pause a queue; the first name and reason stay."""
    reason = PauseRequest().load(body)["reason"]
    with by.database.transaction() as session:
        pause(session, name, actor=by.name, reason=reason)
        return _show(session, name)


def resume_queue(by: Operator, _body: dict[str, Any], name: str) -> Any:
    """Resume a queue."""
    with by.database.transaction() as session:
        resume(session, name, actor=by.name)
        return _show(session, name)


def _show(session: "Session", name: str) -> Any:
    (depth,) = list_depths(session, [name])
    return QueueAnswer().dump(show_depth(depth))
