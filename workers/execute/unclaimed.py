"""Settle hints whose jobs cannot be claimed: expire them, hold them, or keep them as dead letters."""

from __future__ import annotations

from typing import TYPE_CHECKING

import structlog

from gristmill.shared.base.outages import patiently
from gristmill.shared.dead_letters.queries_broker_letters import insert_malformed
from gristmill.shared.jobs import moves
from gristmill.shared.jobs.failure import fingerprint, without_variables
from gristmill.shared.jobs.hints import find_states
from gristmill.shared.operating.queries_pause import hold_refused
from gristmill.shared.states import WAITING

if TYPE_CHECKING:
    from uuid import UUID

    from sqlalchemy.orm import Session

    from gristmill.shared.database.connect import Database

log = structlog.get_logger(__name__)


def settle_unclaimed(database: Database, ids: set[UUID], *, queue: str) -> None:
    """Settle those of `ids` that need it; most of them are done or running.

    What waited too long expires, what waits in a paused queue is held, what is no job at all becomes a dead letter.
    """

    def act() -> None:
        with database.transaction() as session:
            _settle(session, ids, queue)

    patiently(act)


def _settle(session: Session, ids: set[UUID], queue: str) -> None:
    for job_id in moves.expire(session, list(ids)):
        log.warning("job.expired", job_id=str(job_id))
    known = find_states(session, list(ids))
    claimable = [job_id for job_id, job in known.items() if job.state in WAITING]
    if claimable and (held := hold_refused(session, claimable)):
        log.info("hint.held", queue=queue, hints=len(held))
    for job_id in ids - known.keys():
        _keep_malformed(session, queue, None, str(job_id).encode(), f"no job has the id {job_id}")


def refuse(database: Database, *, queue: str, task: str, body: bytes, problem: str) -> None:
    """Keep a hint that cannot be read as a dead letter of its own."""

    def act() -> None:
        with database.transaction() as session:
            _keep_malformed(session, queue, task, body, problem)

    patiently(act)


def _keep_malformed(session: Session, queue: str, task: str | None, body: bytes, problem: str) -> None:
    log.warning("hint.refused", task=task, problem=problem)
    kind = fingerprint("malformed", queue, without_variables(problem))
    insert_malformed(session, queue=queue, task=task, problem=problem, fingerprint=kind, raw_body=body)
