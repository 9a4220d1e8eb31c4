"""Statements beside the moves: lists with each filter, the search for lost hints, the pruning of expired keys."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from bench.growth.history import RARE_PRINT, RARE_PRODUCER, RARE_QUEUE, RARE_TAG, RARE_TASK
from bench.growth.operations import FEW, PRODUCER, QUEUE, Operation, accepted
from gristmill.shared.database.clock import read_clock
from gristmill.shared.dead_letters import queries_broker_letters as letters
from gristmill.shared.dead_letters.filter import OPEN, choose_letters
from gristmill.shared.dead_letters.queries import count_letters, list_letters, list_redrivable
from gristmill.shared.dead_letters.queries_groups import list_groups
from gristmill.shared.jobs import find as jobs
from gristmill.shared.jobs import hints, idempotency
from gristmill.shared.operating import queries_queue_depths as depths
from gristmill.shared.operating import queries_why_waiting as why_waiting
from gristmill.shared.operating.job_filter import choose_jobs
from gristmill.shared.operating.queries_job_lists import count_jobs, list_jobs
from gristmill.shared.states import State

if TYPE_CHECKING:
    from datetime import datetime

    from sqlalchemy.orm import Session

    from gristmill.shared.database.connect import Database

PAGE: Final = 50
HINTED: Final = timedelta(0)
_RARE: Final = UUID(RARE_PRODUCER)


def _ago(days: float) -> Callable[[Database], datetime]:
    def ready(database: Database) -> datetime:
        with database.transaction() as session:
            return read_clock(session) - timedelta(days=days)

    return ready


def _jobs(name: str, **wanted: Any) -> Operation:
    chosen = choose_jobs(**wanted)
    return Operation(name=f"list jobs: {name}", act=lambda session, _: list_jobs(session, chosen, limit=PAGE))


def _letters(name: str, **wanted: Any) -> Operation:
    chosen = choose_letters(**wanted)
    return Operation(name=f"list letters: {name}", act=lambda session, _: list_letters(session, chosen, limit=PAGE))


def _waiting_facts(session: Session, job_id: UUID) -> object:
    job = jobs.get_job(session, job_id)
    return why_waiting.get_job_facts(session, job), why_waiting.get_queue_position(session, job)


def _job_with_all(session: Session, job_id: UUID) -> object:
    return jobs.get_job(session, job_id), jobs.list_attempts(session, job_id), jobs.list_children(session, job_id)


LOOKS: Final = [
    Operation(name="show a job", ready=lambda db: accepted(db, 1)[0], act=_job_with_all),
    _jobs("all"),
    *[_jobs(str(state), state=str(state)) for state in State],
    _jobs("rare task", task=RARE_TASK),
    _jobs("rare queue", queue=RARE_QUEUE),
    _jobs("common tag", tag="history"),
    _jobs("rare tag", tag=RARE_TAG),
    _jobs("producer", producer_id=PRODUCER),
    _jobs("rare producer", producer_id=_RARE),
    _jobs("producer and state", producer_id=PRODUCER, state="dead"),
    Operation(
        name="list jobs: of some months ago",
        ready=_ago(80),
        act=lambda session, then: list_jobs(session, choose_jobs(created_before=then), limit=PAGE),
    ),
    _letters("open"),
    _letters("all", resolution="all"),
    _letters("discarded", resolution="discarded"),
    _letters("task", task="email.send"),
    _letters("rare task", task=RARE_TASK),
    _letters("queue", queue=QUEUE),
    _letters("rare queue", queue=RARE_QUEUE),
    _letters("rare producer", producer_id=_RARE),
    _letters("rare reason", reason="crash_loop"),
    _letters("rare fingerprint", fingerprint=RARE_PRINT),
    Operation(
        name="redrive many: a page of letters", act=lambda session, _: list_redrivable(session, OPEN, limit=PAGE)
    ),
    Operation(
        name="reconcile: no hint, queue empty",
        act=lambda session, _: hints.find_unhinted(session, QUEUE, grace=2, limit=PAGE),
    ),
    Operation(
        name="reconcile: overtaken",
        ready=_ago(0),
        act=lambda session, then: hints.find_unhinted(session, QUEUE, grace=2, limit=PAGE, before=then),
    ),
    Operation(name="reconcile: watermark", act=lambda session, _: hints.find_watermark(session, QUEUE)),
    Operation(
        name="reconcile: hint again",
        ready=lambda db: accepted(db, FEW),
        act=lambda session, ids: hints.hint_again(session, ids, delay=HINTED),
    ),
    Operation(
        name="reconcile: dead without a letter",
        act=lambda session, _: letters.write_missing_letters(session, among=5),
    ),
    Operation(name="prune keys", act=lambda session, _: idempotency.prune_keys(session, limit=FEW)),
]
# They read one by one, up to some thousands, or as many as are alive or open: a bound that is not the history.
COUNTS: Final = [
    Operation(name="where a job waits", ready=lambda db: accepted(db, 1)[0], act=_waiting_facts),
    Operation(name="depths of all queues", act=lambda session, _: depths.list_depths(session)),
    Operation(name="count jobs", act=lambda session, _: count_jobs(session, choose_jobs(task="email.send"))),
    Operation(name="count letters", act=lambda session, _: count_letters(session, OPEN)),
    _jobs("task", task="email.send"),
    _jobs("queue", queue="email_queue"),
    _letters("producer", producer_id=PRODUCER),
    Operation(name="groups of letters", act=lambda session, _: list_groups(session, OPEN, limit=PAGE)),
]
