"""Drain the broker's dead-letter queues into Postgres, which is asked before anything is declared dead.

Plain kombu and no Celery worker: that would run the dead jobs.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson
import structlog

from gristmill.shared.base.crashpoints import crash_point
from gristmill.shared.dead_letters import queries_broker_letters as evidence
from gristmill.shared.jobs import hints, moves
from gristmill.shared.jobs.failure import fingerprint, without_variables
from gristmill.shared.queues import QUEUES, Queue
from gristmill.shared.states import FINAL, WAITING, State
from gristmill.workers.celery.consumer import what_is_wrong
from gristmill.workers.relay.publish import REVIVALS

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.database.connect import Database
    from gristmill.workers.repair.broker_depths import BrokerView

log = structlog.get_logger(__name__)
BATCH: Final = 100  # messages of a queue taken, recorded and acknowledged together
FIRST_REVIVAL_DELAY: Final = timedelta(seconds=1)  # doubles with each time the broker gave up on the job's hint
MOST_REVIVALS: Final = 8  # then the hint itself is what kills: about four minutes of tries
TEXT_LIMIT: Final = 500


@dataclass(frozen=True, slots=True)
class Letter:
    """One message of a dead-letter queue, read without trusting it."""

    queue: Queue
    task: str | None
    body: bytes
    problem: str | None
    job_ids: tuple[UUID, ...]
    reason: str
    revivals: int
    broker: dict[str, Any]


class Recorder:
    """Takes what lies in the dead-letter queues, a batch at a time; acknowledges when Postgres has it."""

    def __init__(self, database: Database, view: BrokerView) -> None:
        self._database = database
        self._view = view

    def tick(self) -> int:
        """Record up to a batch of each dead-letter queue; returns how many messages were recorded."""
        try:
            return sum(self._drain(queue) for queue in QUEUES.values())
        except BaseException:
            self._view.forget()  # what was taken and not acknowledged comes back with the connection's end
            raise

    def _drain(self, queue: Queue) -> int:
        channel = self._view.channel()
        messages: list[Any] = []
        while (
            len(messages) < BATCH and (message := channel.basic_get(queue.dead_letter_queue, no_ack=False)) is not None
        ):
            messages.append(message)
        if not messages:
            return 0
        with self._database.transaction() as session:
            for message in messages:
                record(session, read_letter(queue, message))
            crash_point("recorder.before_commit")
        crash_point("recorder.before_ack")
        for message in messages:
            channel.basic_ack(message.delivery_tag)
        return len(messages)


def record(session: Session, letter: Letter) -> None:
    """Write down one dead message: revive its jobs that are live, add evidence to those that are dead."""
    standing = hints.find_states(session, letter.job_ids)
    unknown = [job_id for job_id in letter.job_ids if job_id not in standing]
    problem = letter.problem or (f"no job has the id {unknown[0]}" if unknown else None)
    if problem is not None:
        log.warning("hint.recorded", queue=letter.queue.name, problem=problem)
        evidence.insert_malformed(
            session,
            queue=letter.queue.name,
            task=letter.task,
            problem=problem,
            fingerprint=fingerprint("malformed", letter.queue.name, without_variables(problem)),
            raw_body=letter.body,
            broker=letter.broker,
        )
    by_state = {job_id: State(job.state) for job_id, job in standing.items()}
    dead = [job_id for job_id, state in by_state.items() if state is State.DEAD]
    if dead:
        evidence.add_broker_evidence(session, dead, letter.broker)
    waiting = [job_id for job_id, state in by_state.items() if state in WAITING]
    if waiting:
        _revive(session, letter, waiting)
    if any(state not in FINAL | WAITING for state in by_state.values()):
        log.info("hint.of_a_running_job", queue=letter.queue.name, reason=letter.reason)


def _revive(session: Session, letter: Letter, waiting: list[UUID]) -> None:
    """The broker has given up on the hint of live jobs: they expire, get another hint, or are given up after many."""
    expired = moves.expire(session, waiting)
    left = [job_id for job_id in waiting if job_id not in expired]
    # One that has expired waited in a long backlog, or for workers: that says nothing about the hint.
    counts = letter.reason != "expired"
    if counts and letter.revivals >= MOST_REVIVALS:
        for job_id in moves.give_up(session, left, broker=letter.broker):
            log.warning("job.dead", job_id=str(job_id), reason="delivery_limit", revivals=letter.revivals)
        return
    delay = FIRST_REVIVAL_DELAY * 2**letter.revivals
    again = hints.hint_again(session, left, delay=delay, revivals=letter.revivals + counts)
    log.info("hint.revived", queue=letter.queue.name, reason=letter.reason, hints=len(again), expired=len(expired))


def read_letter(queue: Queue, message: Any) -> Letter:
    """Read a message of a dead-letter queue. Whatever is wrong with it becomes its `problem`; nothing raises."""
    headers = message.headers if isinstance(message.headers, dict) else {}
    body = message.body if isinstance(message.body, bytes) else str(message.body).encode(errors="replace")
    problem = what_is_wrong(message)
    job_ids: tuple[UUID, ...] = ()
    if problem is None:
        try:
            job_ids = read_ids(body)
        except ValueError as error:
            problem = f"unreadable body: {error}"
    deaths = headers.get("x-death")
    first = deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}
    revivals = headers.get(REVIVALS)
    task = headers.get("task")
    return Letter(
        queue=queue,
        task=_text(task) if isinstance(task, str) else None,
        body=body,
        problem=None if problem is None else _text(problem),
        job_ids=job_ids,
        reason=str(first.get("reason", "unknown")),
        revivals=min(revivals, MOST_REVIVALS) if isinstance(revivals, int) and revivals >= 0 else 0,
        broker=_plain({"x-death": deaths, "properties": message.properties}),
    )


def read_ids(body: bytes) -> tuple[UUID, ...]:
    """Return the job ids of a hint's body.

    Raises:
        ValueError: it is no hint; says what it is instead.
    """
    try:
        (ids,), _, _ = orjson.loads(body)
    except (ValueError, TypeError) as error:
        msg = f"not [[ids], {{}}, {{}}]: {error}"
        raise ValueError(msg) from error
    if not isinstance(ids, list) or not ids or not all(isinstance(job_id, str) for job_id in ids):
        msg = "the first argument is no list of ids"
        raise ValueError(msg)
    return tuple(UUID(job_id) for job_id in ids)


def _plain(value: Any, depth: int = 4) -> Any:
    """Return what AMQP tables can hold as JSON can: bounded in depth, length and text."""
    if isinstance(value, dict) and depth:
        return {_text(name): _plain(inner, depth - 1) for name, inner in list(value.items())[:50]}
    if isinstance(value, list) and depth:
        return [_plain(inner, depth - 1) for inner in value[:50]]
    if value is None or isinstance(value, (bool, int)):
        return value if not isinstance(value, int) or abs(value) < 2**53 else str(value)
    return _text(value)


def _text(value: Any) -> str:
    shown = value.decode(errors="replace") if isinstance(value, bytes) else str(value)
    return shown.replace("\x00", "\\x00").encode(errors="replace").decode()[:TEXT_LIMIT]
