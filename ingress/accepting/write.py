"""Write the jobs of many requests in one transaction, and return the result of each, whatever goes wrong."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

import structlog
from psycopg2.errors import LockNotAvailable
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from gristmill.shared.base.crashpoints import crash_point
from gristmill.shared.base.outages import is_away
from gristmill.shared.errors import UnavailableError
from gristmill.shared.jobs.enqueue import Refusal, accept
from gristmill.shared.jobs.insert import Accepted, find_written, insert_new

if TYPE_CHECKING:
    from uuid import UUID

    from gristmill.shared.database.connect import Database
    from gristmill.shared.jobs.terms import NewJob

Written = Accepted | Refusal
Result = Written | Exception
Write = Callable[["Database", "list[NewJob]"], "dict[UUID, Result]"]

SPLIT_BUDGET: Final = 8.0  # seconds for writing a refused group job by job; later requests wait meanwhile
RECOVERY: Final = 6.0  # seconds to find out the result of a COMMIT: Postgres restarts in less
_PAUSE: Final = 0.2  # seconds between two tries

AWAY: Final = "The database does not answer right now; nothing was accepted, try again"
UNKNOWN: Final = (
    "The database went away while it committed, so the job may have been accepted; "
    "send it again with the same Idempotency-Key, which never makes a second job"
)

KEY_HELD: Final = "Another transaction is writing a job with this unique_key right now; nothing was accepted, try again"

log = structlog.get_logger()


class KeyHeldError(UnavailableError):
    """An open transaction has written a job with the same unique key."""

    def __init__(self) -> None:
        super().__init__(KEY_HELD)


def write_jobs(database: Database, jobs: list[NewJob]) -> dict[UUID, Result]:
    """Write `jobs` and return by id the accepted job, the job that existed before, or the error of this one job.

    They share a statement and a commit. If that fails they are written one by one, so that no job fails for another.
    Most need one statement that commits by itself: one round trip instead of three.
    """
    plain = [job for job in jobs if job.takes_one_statement]
    others = [job for job in jobs if not job.takes_one_statement]
    results = _write_together(database, plain, _write_by_statement) if plain else {}
    return results | (_write_together(database, others, _write_by_transaction) if others else {})


def _write_together(database: Database, jobs: list[NewJob], write: Write) -> dict[UUID, Result]:
    try:
        return write(database, jobs)
    except Exception as error:  # noqa: BLE001  the requests that wait are answered with it
        if is_away(error):
            log.warning("accept.database_away", jobs=len(jobs), error=str(error)[:500])
            return {job.id: UnavailableError(AWAY) for job in jobs}
        if len(jobs) == 1:
            return {jobs[0].id: _refusal(jobs, error)}
        log.warning("accept.split", jobs=len(jobs), error=str(error)[:500])
    return _write_one_by_one(database, jobs, write)


def _write_one_by_one(database: Database, jobs: list[NewJob], write: Write) -> dict[UUID, Result]:
    """Write each job by itself. A unique key that somebody holds is waited for once, however many jobs have it."""
    ends_at = time.monotonic() + SPLIT_BUDGET
    results: dict[UUID, Result] = {}
    held: set[tuple[Any, ...]] = set()
    for job in jobs:
        key = (job.terms.columns["task"], job.unique_key, job.producer_id)
        if key in held:
            results[job.id] = KeyHeldError()
        elif time.monotonic() >= ends_at:
            results[job.id] = UnavailableError(AWAY)
        else:
            results |= _write_together(database, [job], write)
            if isinstance(results[job.id], KeyHeldError):
                held.add(key)
    return results


def _refusal(jobs: list[NewJob], error: Exception) -> Exception:
    """Return the error that answers a request: that a unique key is held, or the database's own."""
    waited_for_lock = isinstance(error, DBAPIError) and isinstance(error.orig, LockNotAvailable)
    return KeyHeldError() if waited_for_lock and any(job.unique_key is not None for job in jobs) else error


def write_all_or_nothing(database: Database, jobs: list[NewJob]) -> list[Result]:
    """Write `jobs` in one transaction that commits only if none has an error, and return their results.

    With an error among the results nothing is stored, not even the jobs that look accepted.
    """
    try:
        results = _write_by_transaction(database, jobs, atomic=True)
    except Exception as error:  # noqa: BLE001  the request that waits is answered with it
        log.warning("accept.batch_refused", jobs=len(jobs), error=str(error)[:500])
        refusal = UnavailableError(AWAY) if is_away(error) else _refusal(jobs, error)
        return [refusal for _ in jobs]
    return [results[job.id] for job in jobs]


def _write_by_statement(database: Database, jobs: list[NewJob]) -> dict[UUID, Result]:
    """Write in one statement that commits by itself; jobs that conflict with an existing job get a transaction."""
    sent = False
    crash_point("accept.before_commit")
    try:
        with database.autocommit() as session:
            sent = True
            answers = insert_new(session, jobs)
    except DBAPIError as error:
        if not (sent and error.connection_invalidated):
            raise
        log.warning("accept.commit_unknown", jobs=len(jobs), error=str(error)[:500])
        return _find_out(database, jobs, {})
    crash_point("accept.after_commit")
    rest = [job for job in jobs if job.id not in answers]
    return {**answers, **(_write_together(database, rest, _write_by_transaction) if rest else {})}


def _write_by_transaction(database: Database, jobs: list[NewJob], *, atomic: bool = False) -> dict[UUID, Result]:
    """Write in one transaction, twice at most when the connection was stale. Raise when nothing was written."""
    for last in (False, True):
        try:
            with database.session() as session:
                answers = _by_id(jobs, accept(session, jobs))
                if atomic and _has_errors(answers):
                    return dict(answers)  # the end of the session rolls back
                crash_point("accept.before_commit")
                try:
                    session.commit()
                    crash_point("accept.after_commit")
                except DBAPIError as error:
                    log.warning("accept.commit_unknown", jobs=len(jobs), error=str(error)[:500])
                    session.close()
                    return _find_out(database, jobs, answers, atomic=atomic)
                return dict(answers)
        except DBAPIError as error:
            if last or not error.connection_invalidated:
                raise
    raise AssertionError


def _find_out(
    database: Database, jobs: list[NewJob], answers: dict[UUID, Written], *, atomic: bool = False
) -> dict[UUID, Result]:
    """After a COMMIT without an answer, read on a new connection which of `jobs` are stored, and write the others.

    Args:
        answers: the results of the statement before the commit, where they arrived.
    """
    ends_at = time.monotonic() + RECOVERY
    results: dict[UUID, Result] = {}
    missing = jobs
    while missing and time.monotonic() < ends_at:
        try:
            with database.transaction() as session:
                written = find_written(session, [job.id for job in missing])
            results |= {job_id: answers.get(job_id, found) for job_id, found in written.items()}
            missing = [job for job in missing if job.id not in written]
            if missing:
                with database.session() as session:
                    again = _by_id(missing, accept(session, missing))
                    if not (atomic and _has_errors(again)):
                        session.commit()
                return results | again
        except (IntegrityError, UnavailableError):
            time.sleep(_PAUSE)  # the first COMMIT took effect after the read: read again
        except DBAPIError as error:
            if not is_away(error):
                break
            time.sleep(_PAUSE)
        except PoolTimeoutError:
            break
    return results | {job.id: UnavailableError(UNKNOWN) for job in missing}


def _by_id(jobs: list[NewJob], answers: list[Written]) -> dict[UUID, Written]:
    return {job.id: answer for job, answer in zip(jobs, answers, strict=True)}


def _has_errors(answers: dict[UUID, Written]) -> bool:
    return any(isinstance(answer, Exception) for answer in answers.values())
