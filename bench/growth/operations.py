"""Operations of the platform on its tables, by its own functions: measured here, and explained by the tests.

An operation gets ready in transactions that are not measured, and acts in one that is.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from uuid_utils.compat import uuid7

from bench.growth.history import PRODUCERS
from gristmill.shared.dead_letters.queries import find_latest_letter
from gristmill.shared.dead_letters.redrive import redrive_one
from gristmill.shared.jobs import leases, moves, outbox
from gristmill.shared.jobs.enqueue import JobOptions, accept, prepare_on, terms_of
from gristmill.shared.jobs.failure import Failure
from gristmill.shared.plugins.load import load_plugins
from gristmill.shared.states import DeadReason
from gristmill.shared.task import registry

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.database.connect import Database
    from gristmill.shared.jobs.terms import NewJob

load_plugins()  # for the jobs that are written without HTTP

LEASE: Final = 60.0
WORKER: Final = "growth@nowhere"
FEW: Final = 20  # jobs of one call, where it takes several: some of a bundle
QUEUE: Final = "data_processing_queue"  # that of demo.echo
PRODUCER: Final = UUID(PRODUCERS[0])
FAILURE: Final = Failure(type="GrowthError", code="GROWTH_1", message="measured", traceback="", fingerprint="0" * 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One thing that is done again and again.

    Attributes:
        act: does it, in the session of one transaction, with what `ready` has made.
        ready: makes what `act` needs, in transactions of its own.
    """

    name: str
    act: Callable[[Session, Any], object]
    ready: Callable[[Database], Any] = lambda _: None


def new_job(database: Database, *, quota: int | None = None, **options: Any) -> NewJob:
    """Return a job that can be accepted."""
    task = registry.get("demo.echo", demo=True)
    chosen = JobOptions(**{"producer_id": PRODUCER, "tags": ("history", "tag-0"), **options})
    terms = terms_of(task, chosen, quota=quota)
    return prepare_on(terms, task, {"message": "measured"}, secret_key=database.settings.secret_key)


def with_key(job: NewJob) -> NewJob:
    """Return the job under an idempotency key of its own."""
    return job.with_idempotency_key(f"key-{job.id}", "measured")


def accepted(database: Database, count: int, **options: Any) -> list[UUID]:
    """Accept some jobs and return their ids."""
    new = [new_job(database, **options) for _ in range(count)]
    with database.transaction() as session:
        accept(session, new)
    return [job.id for job in new]


def claimed(database: Database, count: int, *, lease: float = LEASE) -> list[UUID]:
    """Accept some jobs, claim them for their first attempt, and return their ids."""
    ids = accepted(database, count)
    with database.transaction() as session:
        moves.claim(session, ids, worker=WORKER, lease=lease)
    return ids


def kill(session: Session, job_id: UUID) -> object:
    """End a claimed job with a dead letter."""
    return moves.kill(session, job_id, 1, reason=DeadReason.EXHAUSTED, failure=FAILURE)


def lettered(database: Database) -> UUID:
    """Return the open letter of a job that has just died."""
    (job_id,) = claimed(database, 1)
    with database.transaction() as session:
        kill(session, job_id)
        letter = find_latest_letter(session, job_id)
    assert letter is not None  # noqa: S101  the move has written it
    return letter.id


def _accept(session: Session, new: list[NewJob]) -> object:
    return accept(session, new)


def _replayed(database: Database) -> list[NewJob]:
    first, again = with_key(new_job(database)), new_job(database)
    with database.transaction() as session:
        accept(session, [first])
    return [again._replace(idempotency_key=first.idempotency_key, body_hash=first.body_hash)]


def _fence(session: Session, ids: list[UUID]) -> object:
    return leases.fence(session, [(job_id, 1) for job_id in ids], timeout=LEASE)


def _overdue(database: Database) -> list[UUID]:
    return claimed(database, FEW, lease=-1.0)


def _scheduled(database: Database) -> UUID:
    return accepted(database, 1, delay=timedelta(hours=1))[0]


OPERATIONS: Final = [
    Operation(name="accept one", ready=lambda database: [new_job(database)], act=_accept),
    Operation(name=f"accept {FEW}", ready=lambda database: [new_job(database) for _ in range(FEW)], act=_accept),
    Operation(name="accept with a key", ready=lambda database: [with_key(new_job(database))], act=_accept),
    Operation(name="accept with a unique key", ready=lambda db: [new_job(db, unique_key=str(uuid7()))], act=_accept),
    Operation(name="accept within a quota", ready=lambda db: [new_job(db, quota=50)], act=_accept),
    Operation(name="accept again, same key", ready=_replayed, act=_accept),
    Operation(
        name="take hints (relay)", ready=lambda db: accepted(db, FEW), act=lambda s, _: outbox.take_due(s, limit=FEW)
    ),
    Operation(name="when the next hint is due", act=lambda session, _: outbox.seconds_to_next(session)),
    Operation(
        name="claim one",
        ready=lambda database: accepted(database, 1),
        act=lambda session, ids: moves.claim(session, ids, worker=WORKER, lease=LEASE),
    ),
    Operation(
        name=f"claim {FEW}",
        ready=lambda database: accepted(database, FEW),
        act=lambda session, ids: moves.claim(session, ids, worker=WORKER, lease=LEASE),
    ),
    Operation(name=f"fence {FEW}", ready=lambda database: claimed(database, FEW), act=_fence),
    Operation(
        name="renew a lease",
        ready=lambda database: claimed(database, 1),
        act=lambda session, ids: leases.renew_all(session, [(ids[0], 1)], lease=LEASE),
    ),
    Operation(
        name="succeed one",
        ready=lambda database: claimed(database, 1),
        act=lambda session, ids: moves.succeed(session, [(ids[0], 1, None)]),
    ),
    Operation(
        name=f"succeed {FEW}",
        ready=lambda database: claimed(database, FEW),
        act=lambda session, ids: moves.succeed(session, [(job_id, 1, None) for job_id in ids]),
    ),
    Operation(
        name="retry",
        ready=lambda database: claimed(database, 1),
        act=lambda session, ids: moves.retry(session, ids[0], 1, delay=timedelta(0), failure=FAILURE),
    ),
    Operation(name="kill", ready=lambda database: claimed(database, 1), act=lambda session, ids: kill(session, ids[0])),
    Operation(
        name="expire",
        ready=lambda database: accepted(database, FEW, expires_at=datetime.now(UTC) - timedelta(days=1)),
        act=moves.expire,
    ),
    Operation(name="cancel, waiting", ready=_scheduled, act=lambda session, job: moves.cancel_waiting(session, [job])),
    Operation(name="run now", ready=_scheduled, act=moves.run_now),
    Operation(name="redrive", ready=lettered, act=lambda session, letter: redrive_one(session, letter, actor=WORKER)),
    Operation(
        name="reconcile: leases that are over", ready=_overdue, act=lambda s, _: leases.lock_overdue(s, limit=FEW)
    ),
]
