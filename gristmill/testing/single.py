"""Make one attempt of one job, and return or raise what its handler does."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NoReturn
from uuid import UUID

from gristmill.shared.database.clock import read_clock
from gristmill.shared.jobs.find import find_job, get_job
from gristmill.shared.states import WAITING, State
from gristmill.testing.alarm import lent_alarm
from gristmill.testing.drain import attempts_of
from gristmill.testing.mill_error import MillError
from gristmill.testing.queries_jobs import is_paused, take_hints_of

if TYPE_CHECKING:
    from gristmill.testing.platform import Platform
    from gristmill.testing.records import Attempt


def make_attempt(platform: Platform, job_id: UUID, *, when_begun: Callable[[], object] | None = None) -> Any:
    """Make the next attempt of a job.

    Args:
        when_begun: called between the claim and the handler.

    Returns:
        What the handler returned: a result as JSON knows it, or an outcome.

    Raises:
        JobNotFoundError: there is no such job.
        MillError: the attempt cannot be made now; says why.
        Exception: whatever ended the attempt.
    """
    with platform.database.transaction() as session:
        get_job(session, job_id)
        take_hints_of(session, job_id)
    with lent_alarm():
        attempts = attempts_of(platform, platform.executor.run([job_id], when_begun=when_begun))
    if not attempts:
        _explain_unclaimed(platform, job_id)
    return _result_of(attempts[0])


def _result_of(attempt: Attempt) -> Any:
    error = attempt.error
    if error is None:
        return attempt.result
    if isinstance(error, Exception):
        raise error
    msg = f"The handler of {attempt.task} raised {error!r}, which would end this process; its job is {attempt.state}"
    raise MillError(msg) from error


def _explain_unclaimed(platform: Platform, job_id: UUID) -> NoReturn:
    """Raise the reason for which a worker would not begin this job.

    Raises:
        MillError: always.
    """
    with platform.database.transaction() as session:
        job = find_job(session, job_id)
        assert job is not None  # noqa: S101  the caller has found it
        distance = job.run_at - read_clock(session)
        if job.state == State.DEAD and job.attempt == 0:
            reason = "it has expired, and is a dead letter now"
        elif job.state not in WAITING:
            reason = f"it is {job.state}"
        elif distance.total_seconds() > 0:
            reason = f"it is due at {job.run_at}: mill.advance(seconds={distance.total_seconds():.3f}), or run_until"
        elif is_paused(session, job.queue):
            reason = f"its queue {job.queue} is paused"
        else:
            reason = "a worker that does not know its task would put it back"
    msg = f"No attempt of {job.task} {job_id} can be made: {reason}"
    raise MillError(msg)
