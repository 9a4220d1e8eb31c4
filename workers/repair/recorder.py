"""Record what the broker gave up on: drain its dead-letter queues into Postgres, which decides what is dead.

Plain kombu and no Celery worker, which would run the dead jobs.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import orjson
import structlog

from gristmill.shared.base.crashpoints import crash_point
from gristmill.shared.dead_letters import queries_broker_letters as broker_letters
from gristmill.shared.jobs import hints, moves
from gristmill.shared.jobs.failure import fingerprint, without_variables
from gristmill.shared.queues import QUEUES, Queue
from gristmill.shared.states import FINAL, WAITING, State
from gristmill.workers.celery.consumer import problem_of
from gristmill.workers.relay.hint import REVIVALS

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.database.connect import Database
    from gristmill.workers.repair.broker_depths import BrokerView

log = structlog.get_logger(__name__)
BATCH: Final = 100  # messages of a queue taken, recorded and acknowledged together
FIRST_REVIVAL_DELAY: Final = timedelta(seconds=1)  # doubles with each time the broker gave up on the job's hint
MOST_REVIVALS: Final = 8  # then the hint itself is what kills; about four minutes of tries
TEXT_LIMIT: Final = 500


@dataclass(frozen=True, slots=True)
class DeadHint:
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
    """Takes messages from the dead-letter queues, a batch at a time; acknowledges them when Postgres has them."""

    def __init__(self, database: Database, broker: BrokerView) -> None:
        self._database = database
        self._broker = broker

    def tick(self) -> int:
        """Record up to a batch of each dead-letter queue; returns how many messages were recorded."""
        try:
            return sum(self._drain(queue) for queue in QUEUES.values())
        except BaseException:
            self._broker.forget()  # messages that are not acknowledged return to the queue
            raise

    def _drain(self, queue: Queue) -> int:
        channel = self._broker.channel()
        messages = list(_take(channel, queue.dead_letter_queue))
        if not messages:
            return 0
        with self._database.transaction() as session:
            for message in messages:
                record(session, read_dead_hint(queue, message))
            crash_point("recorder.before_commit")
        crash_point("recorder.before_ack")
        for message in messages:
            channel.basic_ack(message.delivery_tag)
        return len(messages)


def _take(channel: Any, queue: str) -> Iterator[Any]:
    for _ in range(BATCH):
        message = channel.basic_get(queue, no_ack=False)
        if message is None:
            return
        yield message


def record(session: Session, hint: DeadHint) -> None:
    """Record one dead message: revive its jobs that are live, add what the broker says to those that are dead."""
    standing = hints.find_states(session, hint.job_ids)
    unknown = [job_id for job_id in hint.job_ids if job_id not in standing]
    problem = hint.problem or (f"no job has the id {unknown[0]}" if unknown else None)
    if problem is not None:
        _keep_malformed(session, hint, problem)
    by_state = {job_id: State(job.state) for job_id, job in standing.items()}
    dead = [job_id for job_id, state in by_state.items() if state is State.DEAD]
    if dead:
        broker_letters.add_broker_details(session, dead, hint.broker)
    live = [job_id for job_id, state in by_state.items() if state in WAITING]
    if live:
        _revive(session, hint, live)
    if any(state not in FINAL | WAITING for state in by_state.values()):
        log.info("hint.of_a_running_job", queue=hint.queue.name, reason=hint.reason)


def _keep_malformed(session: Session, hint: DeadHint, problem: str) -> None:
    log.warning("hint.recorded", queue=hint.queue.name, problem=problem)
    broker_letters.insert_malformed(
        session,
        queue=hint.queue.name,
        task=hint.task,
        problem=problem,
        fingerprint=fingerprint("malformed", hint.queue.name, without_variables(problem)),
        raw_body=hint.body,
        broker=hint.broker,
    )


def _revive(session: Session, hint: DeadHint, live: list[UUID]) -> None:
    """Revive live jobs on whose hint the broker gave up: they expire, get another hint, or are given up after many."""
    expired = moves.expire(session, live)
    left = [job_id for job_id in live if job_id not in expired]
    # A message that has expired waited in a long backlog, or for workers, which says nothing about the hint.
    counts = hint.reason != "expired"
    if counts and hint.revivals >= MOST_REVIVALS:
        for job_id in moves.give_up(session, left, broker=hint.broker):
            log.warning("job.dead", job_id=str(job_id), reason="delivery_limit", revivals=hint.revivals)
        return
    delay = FIRST_REVIVAL_DELAY * 2**hint.revivals
    revived = hints.hint_again(session, left, delay=delay, revivals=hint.revivals + counts)
    log.info("hint.revived", queue=hint.queue.name, reason=hint.reason, hints=len(revived), expired=len(expired))


def read_dead_hint(queue: Queue, message: Any) -> DeadHint:
    """Read a message of a dead-letter queue. Whatever is wrong with it becomes its `problem`; nothing raises."""
    headers = message.headers if isinstance(message.headers, dict) else {}
    body = message.body if isinstance(message.body, bytes) else str(message.body).encode(errors="replace")
    job_ids, problem = _read_ids(message, body)
    deaths, task = headers.get("x-death"), headers.get("task")
    return DeadHint(
        queue=queue,
        task=_text(task) if isinstance(task, str) else None,
        body=body,
        problem=None if problem is None else _text(problem),
        job_ids=job_ids,
        reason=_reason(deaths),
        revivals=_revivals(headers.get(REVIVALS)),
        broker=_plain({"x-death": deaths, "properties": message.properties}),
    )


def _reason(deaths: Any) -> str:
    first = deaths[0] if isinstance(deaths, list) and deaths and isinstance(deaths[0], dict) else {}
    return str(first.get("reason", "unknown"))


def _revivals(header: Any) -> int:
    return min(header, MOST_REVIVALS) if isinstance(header, int) and header >= 0 else 0


def _read_ids(message: Any, body: bytes) -> tuple[tuple[UUID, ...], str | None]:
    """Return the job ids of a message, or what is wrong with it."""
    problem = problem_of(message)
    if problem is not None:
        return (), problem
    try:
        return read_ids(body), None
    except ValueError as error:
        return (), f"unreadable body: {error}"


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
