"""Explain why a live job waits: the first obstacle on its way, in one sentence with details.

The order is that of a job's way: its time, its expiry, a pause of its queue, the relay and the broker, a worker, the
jobs before it. A later obstacle is reported once it is the first.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from gristmill.shared.operating.missing_processes import describe_maintenance, explain_broker_outage, explain_missing
from gristmill.shared.operating.queries_process_reports import list_processes
from gristmill.shared.operating.queries_why_waiting import (
    JobFacts,
    QueuePosition,
    count_unpublished_before,
    get_job_facts,
    get_queue_position,
)
from gristmill.shared.operating.wait_reason import WaitReason, write_count, write_span, write_time
from gristmill.shared.queues import QUEUES
from gristmill.shared.states import FINAL, AttemptOutcome, State

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.jobs.models import Job

PICKUP_TIME: Final = timedelta(
    seconds=10
)  # a hint needs milliseconds from the relay to an idle worker; then suspect it


def explain_waiting(session: Session, job: Job) -> WaitReason | None:
    """Return why `job` has not ended, None when it has. Costs a few bounded statements."""
    if job.state in FINAL:
        return None
    facts = get_job_facts(session, job)
    if job.state == State.RUNNING:
        return _explain_running(session, job, facts)
    if job.run_at > facts.now:
        return _add_pause(_explain_not_due(job, facts), job, facts)
    return (
        _explain_expired(job, facts)
        or _explain_pause(job, facts)
        or _explain_undeclared(job)
        or _explain_unpublished(session, job, facts)
        or _explain_published(session, job, facts)
    )


def _explain_running(session: Session, job: Job, facts: JobFacts) -> WaitReason:
    assert job.started_at is not None  # noqa: S101  a running job was begun
    assert job.lease_until is not None  # noqa: S101  a constraint of the table
    at_work = (
        f"runs on worker {job.worker} since {write_time(job.started_at)} (attempt {job.attempt} of {job.max_attempts})"
    )
    details = {"worker": job.worker, "started_at": job.started_at, "lease_until": job.lease_until}
    lease_end = write_time(job.lease_until)
    if job.cancel_requested_at is not None:
        since = job.cancel_requested_at
        message = f"is asked to be cancelled since {write_time(since)}: {at_work}"
        return WaitReason("cancel_requested", message, details | {"cancel_requested_at": since})
    if job.lease_until <= facts.now:
        lost = f"whether that worker is lost {describe_maintenance(session)}"
        return WaitReason("lease_over", f"{at_work}; its lease was over at {lease_end}, and {lost}", details)
    return WaitReason("running", f"{at_work}, its lease is good until {lease_end}", details)


def _explain_not_due(job: Job, facts: JobFacts) -> WaitReason:
    left = write_span(job.run_at - facts.now)
    details = {"run_at": job.run_at}
    if job.state == State.RETRYING:
        attempt, error = job.attempt + 1, facts.error or "an error"
        return WaitReason(
            "retrying",
            f"retrying after `{error}` in {left} (attempt {attempt} of {job.max_attempts})",
            details | {"error": facts.error, "attempt": attempt, "max_attempts": job.max_attempts},
        )
    if facts.outcome == AttemptOutcome.SNOOZED:
        message = f"its handler asked to wait until {write_time(job.run_at)} (in {left})"
        return WaitReason("snoozed", message, details)
    return WaitReason("not_due", f"not due until {write_time(job.run_at)} (in {left})", details)


def _explain_expired(job: Job, facts: JobFacts) -> WaitReason | None:
    if job.expires_at is None or job.expires_at > facts.now:
        return None
    message = f"no longer wanted since {write_time(job.expires_at)}: it ends as expired when its turn comes"
    return WaitReason("expired", message, {"expires_at": job.expires_at})


def _explain_pause(job: Job, facts: JobFacts) -> WaitReason | None:
    if facts.paused_at is None:
        return None
    why = f" ({facts.pause_reason})" if facts.pause_reason else ""
    return WaitReason(
        "queue_paused",
        f"the queue {job.queue} is paused by {facts.paused_by} since {write_time(facts.paused_at)}{why}",
        {"paused_at": facts.paused_at, "paused_by": facts.paused_by, "pause_reason": facts.pause_reason},
    )


def _explain_undeclared(job: Job) -> WaitReason | None:
    if job.queue in QUEUES:
        return None
    message = f"no plugin declares the queue {job.queue} any more: it waits until one does, or until it is cancelled"
    return WaitReason("queue_undeclared", message, {"queue": job.queue})


def _add_pause(first: WaitReason, job: Job, facts: JobFacts) -> WaitReason:
    pause = _explain_pause(job, facts)
    if pause is None:
        return first
    return WaitReason(first.reason, f"{first.message}; and {pause.message}", first.details | pause.details)


def _explain_unpublished(session: Session, job: Job, facts: JobFacts) -> WaitReason | None:
    """Return what keeps the job's hint from the broker, None when the hint is published."""
    if not (facts.in_outbox or facts.is_held):
        return None
    relays = list_processes(session, kind="relay")
    return (
        explain_missing(relays, facts.now, kind="relay", did="run", start="gristmill relay")
        or explain_broker_outage(relays)
        or _explain_outbox(count_unpublished_before(session, job), [each.name for each in relays if each.alive])
    )


def _explain_outbox(before: int, relays: list[str]) -> WaitReason:
    message = "about to be published to the broker by a relay"
    if before:
        message = f"waits behind {write_count(before)} older hints to be published to the broker"
    return WaitReason("not_published", message, {"hints_before": before, "relays": relays})


def _explain_published(session: Session, job: Job, facts: JobFacts) -> WaitReason:
    workers = list_processes(session, kind="worker", queue=job.queue)
    start = f"gristmill worker --queue {job.queue}"
    return (
        explain_missing(workers, facts.now, kind="worker", did=f"consumed {job.queue}", start=start)
        or explain_broker_outage(workers)
        or _explain_queue(session, job, facts, processes=sum(each.children for each in workers if each.alive))
    )


def _explain_queue(session: Session, job: Job, facts: JobFacts, *, processes: int) -> WaitReason:
    position = get_queue_position(session, job)
    details = {"ahead": position.ahead, "running": position.running, "worker_processes": processes}
    if position.ahead:
        return _explain_behind_others(job, facts, position, details)
    if position.running >= processes:
        message = f"next in {job.queue}: its {processes} worker processes are busy with other jobs"
        return WaitReason("workers_busy", message, details)
    due_for = facts.now - job.run_at
    if due_for < PICKUP_TIME:
        return WaitReason("next", f"published, a worker of {job.queue} takes it next", details)
    return WaitReason(
        "hint_missing",
        f"due for {write_span(due_for)} with a free worker of {job.queue}; whether its hint is lost "
        f"{describe_maintenance(session)}",
        details,
    )


def _explain_behind_others(job: Job, facts: JobFacts, position: QueuePosition, details: dict[str, Any]) -> WaitReason:
    assert position.oldest_due_at is not None  # noqa: S101  there is one ahead
    waited = write_span(facts.now - position.oldest_due_at)
    jobs = "older job" if position.ahead == 1 else "older jobs"
    return WaitReason(
        "behind_others",
        f"behind {write_count(position.ahead)} {jobs} of {job.queue}; the oldest has waited {waited}",
        details | {"oldest_due_at": position.oldest_due_at},
    )
