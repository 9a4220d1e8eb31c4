"""Server-sent events (WHATWG HTML, 9.2): what happens to a job, told while it happens."""

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

    from gristmill.ingress.following.follow import Follower
    from gristmill.shared.base.principal import Principal
    from gristmill.shared.database.connect import Database

log = structlog.get_logger(__name__)

HEARTBEAT: Final = 5.0  # seconds; well below the 10 to 60 after which clients and proxies give a silent connection up
RECONNECT: Final = 1_000  # milliseconds that a client is to wait before it comes again
# Bytes after which a stream ends, and its client comes again: of one that does not read, so much and the heartbeats fit
# into the kernel's buffers. More would stand there until the client has gone, and with it the thread that sends it.
LARGEST: Final = 8 * 1024
_BEAT: Final = ": still here\n\n"


def stream(
    database: Database, follower: Follower, job_id: UUID, principal: Principal, *, last: EventId | None, seconds: float
) -> Iterator[str]:
    """Yield what happened since `last`, and then what happens, until the job has ended or `seconds` are over.

    It ends early when it has sent much, this process is to end or the database is away: the client comes again and
    misses nothing.
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
            new = [event for event in events if last is None or not last.has_told(event.id)]
            if new:
                last = new[-1].id
                told = "".join(map(write, new))
                sent += len(told.encode())
                yield told  # in one piece: the server takes one even where the client does not
            if job.state in FINAL or sent > LARGEST:
                return
            if not follower.wait(min(HEARTBEAT, max(0.0, deadline - time.monotonic()))):
                yield _BEAT
    except SQLAlchemyError as error:
        log.warning("events.cut", job_id=str(job_id), error=type(error).__name__)


def write(event: Event) -> str:
    """Return an event as a stream has it."""
    data = orjson.dumps(event.data, option=orjson.OPT_UTC_Z).decode()
    return f"id: {event.id}\nevent: {event.kind}\ndata: {data}\n\n"
