"""Why a live job has not ended: the first thing that stands in its way, in a sentence, with the evidence for it.

In the order of what a job passes: its time, its expiry, a pause of its queue, the relay and the broker, a worker, the
line before it. What comes later on the way may be in the way, too, and is told when it is the first.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final

from gristmill.shared.operating import queries_why_waiting as queries
from gristmill.shared.operating.queries_process_reports import Seen, list_processes
from gristmill.shared.operating.queries_why_waiting import Look
from gristmill.shared.states import FINAL, AttemptOutcome, State

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.jobs.models import Job

REASONS: Final = (
    "not_due",
    "retrying",
    "snoozed",
    "expired",
    "queue_paused",
    "no_relay",
    "broker_unreachable",
    "not_published",
    "no_worker",
    "behind_others",
    "workers_busy",
    "next",
    "hint_missing",
    "running",
    "cancel_requested",
    "lease_over",
)
SOON: Final = timedelta(seconds=10)  # a hint needs milliseconds from the relay to an idle worker; then it may be lost


@dataclass(frozen=True, slots=True)
class Waiting:
    """What a live job waits for.

    Attributes:
        reason: one of `REASONS`.
        message: one sentence for people.
        evidence: what it was read from; times, numbers and names that JSON can hold.
    """

    reason: str
    message: str
    evidence: dict[str, Any] = field(default_factory=dict)

    def shown(self) -> dict[str, Any]:
        """Return reason and evidence, as the API shows them beside the sentence."""
        return {"reason": self.reason, **self.evidence}


def explain_waiting(session: Session, job: Job) -> Waiting | None:
    """Say what `job` waits for, None when it has ended. Costs a few bounded statements."""
    if job.state in FINAL:
        return None
    look = queries.look_at(session, job)
    if job.state == State.RUNNING:
        return _running(session, job, look)
    if job.run_at > look.now:
        return _and_paused(_not_due(job, look), job, look)
    return _due(session, job, look)


def _due(session: Session, job: Job, look: Look) -> Waiting:
    if job.expires_at is not None and job.expires_at <= look.now:
        return Waiting(
            "expired",
            f"no longer wanted since {_time(job.expires_at)}: it ends as expired when its turn comes",
            {"expires_at": job.expires_at},
        )
    if look.paused_at is not None:
        return Waiting("queue_paused", _paused(job, look), _pause(look))
    if look.in_outbox or look.is_held:
        return _unpublished(session, job, look)
    return _published(session, job, look)


def _running(session: Session, job: Job, look: Look) -> Waiting:
    assert job.started_at is not None  # noqa: S101  a running job was begun
    assert job.lease_until is not None  # noqa: S101  a constraint of the table
    at_work = f"runs on worker {job.worker} since {_time(job.started_at)} (attempt {job.attempt} of {job.max_attempts})"
    evidence = {"worker": job.worker, "started_at": job.started_at, "lease_until": job.lease_until}
    if job.cancel_requested_at is not None:
        since = job.cancel_requested_at
        return Waiting(
            "cancel_requested",
            f"is asked to be cancelled since {_time(since)}: {at_work}",
            evidence | {"cancel_requested_at": since},
        )
    if job.lease_until <= look.now:
        over = f"its lease was over at {_time(job.lease_until)}"
        return Waiting(
            "lease_over", f"{at_work}; {over}, and whether that worker is lost {_repairs(session)}", evidence
        )
    return Waiting("running", f"{at_work}, its lease is good until {_time(job.lease_until)}", evidence)


def _not_due(job: Job, look: Look) -> Waiting:
    left = _span(job.run_at - look.now)
    evidence = {"run_at": job.run_at}
    if job.state == State.RETRYING:
        attempt, error = job.attempt + 1, look.error or "an error"
        return Waiting(
            "retrying",
            f"retrying after `{error}` in {left} (attempt {attempt} of {job.max_attempts})",
            evidence | {"error": look.error, "attempt": attempt, "max_attempts": job.max_attempts},
        )
    if look.outcome == AttemptOutcome.SNOOZED:
        return Waiting("snoozed", f"its handler asked to wait until {_time(job.run_at)} (in {left})", evidence)
    return Waiting("not_due", f"not due until {_time(job.run_at)} (in {left})", evidence)


def _and_paused(first: Waiting, job: Job, look: Look) -> Waiting:
    if look.paused_at is None:
        return first
    return Waiting(first.reason, f"{first.message}; and {_paused(job, look)}", first.evidence | _pause(look))


def _paused(job: Job, look: Look) -> str:
    assert look.paused_at is not None  # noqa: S101  the caller has looked
    why = f" ({look.pause_reason})" if look.pause_reason else ""
    return f"the queue {job.queue} is paused by {look.paused_by} since {_time(look.paused_at)}{why}"


def _pause(look: Look) -> dict[str, Any]:
    return {"paused_at": look.paused_at, "paused_by": look.paused_by, "pause_reason": look.pause_reason}


def _unpublished(session: Session, job: Job, look: Look) -> Waiting:
    relays = list_processes(session, kind="relay")
    gone = _without(relays, look.now, reason="no_relay", verb="run", what="", start="gristmill relay")
    if gone is not None:
        return gone
    away = _broker_away(relays)
    if away is not None:
        return away
    before = queries.count_unpublished_before(session, job)
    evidence = {"hints_before": before, "relays": [each.name for each in relays if each.alive]}
    if not before:
        return Waiting("not_published", "about to be published to the broker by a relay", evidence)
    return Waiting(
        "not_published", f"waits behind {_number(before)} older hints to be published to the broker", evidence
    )


def _published(session: Session, job: Job, look: Look) -> Waiting:
    workers = list_processes(session, kind="worker", queue=job.queue)
    gone = _without(
        workers,
        look.now,
        reason="no_worker",
        verb="consumed",
        what=f" {job.queue}",
        start=f"gristmill worker --queue {job.queue}",
    )
    if gone is not None:
        return gone
    away = _broker_away(workers)
    if away is not None:
        return away
    line = queries.look_at_line(session, job)
    places = sum(each.children for each in workers if each.alive)
    evidence: dict[str, Any] = {"ahead": line.ahead, "running": line.running, "worker_processes": places}
    if line.ahead:
        assert line.oldest_due_at is not None  # noqa: S101  there is one ahead
        waited = _span(look.now - line.oldest_due_at)
        jobs = "older job" if line.ahead == 1 else "older jobs"
        return Waiting(
            "behind_others",
            f"behind {_number(line.ahead)} {jobs} of {job.queue}; the oldest has waited {waited}",
            evidence | {"oldest_due_at": line.oldest_due_at},
        )
    if line.running >= places:
        return Waiting(
            "workers_busy", f"next in {job.queue}: its {places} worker processes are busy with other jobs", evidence
        )
    if look.now - job.run_at < SOON:
        return Waiting("next", f"published, a worker of {job.queue} takes it next", evidence)
    return Waiting(
        "hint_missing",
        f"due for {_span(look.now - job.run_at)} with a free worker of {job.queue}; whether its hint is lost "
        f"{_repairs(session)}",
        evidence,
    )


def _without(known: Sequence[Seen], now: datetime, *, reason: str, verb: str, what: str, start: str) -> Waiting | None:
    """Say since when there is no process of a kind, None when there is one."""
    if any(each.alive for each in known):
        return None
    kind = reason.removeprefix("no_")
    if not known:
        return Waiting(reason, f"no {kind} has ever {verb}{what}: start one with `{start}`", {"last_seen_at": None})
    last = max(known, key=lambda each: each.stopped_at or each.seen_at)
    since = last.stopped_at or last.seen_at
    how = "was stopped" if last.stopped_at is not None else "was last heard of"
    return Waiting(
        reason,
        f"no {kind} has {verb}{what} for {_span(now - since)}: the last one, {last.name}, {how} at {_time(since)}",
        {"last_seen_at": since, "last_worked_at": last.acted_at, "last": last.name},
    )


def _repairs(session: Session) -> str:
    alive = any(each.alive for each in list_processes(session, kind="maintenance"))
    return "is looked into by maintenance" if alive else "nobody finds out: start `gristmill maintenance`"


def _broker_away(known: Sequence[Seen]) -> Waiting | None:
    """Say since when none of the processes that are there reaches the broker, None when one does."""
    alive = [each for each in known if each.alive]
    troubled = [each for each in alive if each.trouble_since is not None]
    if len(troubled) < len(alive):
        return None
    last = max(troubled, key=lambda each: each.trouble_since or each.seen_at)
    assert last.trouble_since is not None  # noqa: S101  all of them have trouble
    error = (last.trouble or "").partition(":")[0]
    return Waiting(
        "broker_unreachable",
        f"the broker is unreachable since {_time(last.trouble_since)} ({last.name} reports {error})",
        {"since": last.trouble_since, "reported_by": last.name, "error": error, "reported_at": last.seen_at},
    )


def _number(count: int) -> str:
    return f"{count:,}" if count <= queries.MOST_COUNTED else f"more than {queries.MOST_COUNTED:,}"


def _time(time: datetime) -> str:
    return time.isoformat(timespec="seconds").replace("+00:00", "Z")


def _span(span: timedelta) -> str:
    """Return a length of time as people say it: `3 s`, `12 min`, `5 h`, `2 days`."""
    seconds = max(0, round(span.total_seconds()))
    for unit, size, until in (("s", 1, 120), ("min", 60, 7_200), ("h", 3_600, 172_800)):
        if seconds < until:
            return f"{seconds // size} {unit}"
    return f"{seconds // 86_400} days"
