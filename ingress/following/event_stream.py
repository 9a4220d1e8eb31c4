"""Stream the events of a job as they happen, by server-sent events (WHATWG HTML, 9.2)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import orjson
import structlog
from sqlalchemy.exc import SQLAlchemyError

from gristmill.ingress.following.events import Event, EventId, list_events
from gristmill.shared.jobs.find import get_job, list_attempts
from gristmill.shared.states import FINAL

if TYPE_CHECKING:
    from uuid import UUID

    from gristmill.ingress.following.followers import Follower
    from gristmill.shared.base.principal import Principal
    from gristmill.shared.database.connect import Database

log = structlog.get_logger(__name__)

HEARTBEAT: Final = 5.0  # seconds; well below the 10 to 60 after which clients and proxies drop a silent connection
RECONNECT: Final = 1_000  # milliseconds that a client is to wait before it reconnects
# Bytes after which a stream ends and its client reconnects. This much and the heartbeats fit into the kernel's buffers.
# More would block the thread of a client that does not read, until that client has gone.
LARGEST: Final = 8 * 1024
_COMMENT: Final = ": still here\n\n"


def stream(
    database: Database, follower: Follower, job_id: UUID, principal: Principal, *, last: EventId | None, seconds: float
) -> Iterator[str]:
    """Yield the events since `last`, and then each new one, until the job has ended or `seconds` have passed.

    The stream ends early when it has sent much, this process is stopping or the database is away. The client reconnects
    and misses nothing.
    """
    sent = 0
    deadline = time.monotonic() + seconds
    yield f"retry: {RECONNECT}\n\n"
    try:
        while (left := deadline - time.monotonic()) > 0 and follower.listen(left):
            follower.keep_mark()
            with database.transaction() as session:
                job = get_job(session, job_id)
                events = list_events(
                    job,
                    list_attempts(session, job_id),
                    payloads=principal.sees_payloads,
                    tracebacks=principal.is_admin,
                )
            new = [event for event in events if last is None or not last.includes(event.id)]
            if new:
                last = new[-1].id
                text = "".join(map(write, new))
                sent += len(text.encode())
                yield text  # in one piece: the server accepts one even if the client does not read
            if job.state in FINAL or sent > LARGEST:
                return
            if not follower.wait(min(HEARTBEAT, max(0.0, deadline - time.monotonic()))):
                yield _COMMENT
    except SQLAlchemyError as error:
        log.warning("events.cut", job_id=str(job_id), error=type(error).__name__)


def write(event: Event) -> str:
    """Return an event in the format of a stream."""
    data = orjson.dumps(event.data, option=orjson.OPT_UTC_Z).decode()
    return f"id: {event.id}\nevent: {event.kind}\ndata: {data}\n\n"
