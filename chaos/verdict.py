"""Compare what the clients were promised with what is in Postgres and in the mail catcher."""

from __future__ import annotations

import http.client
import json
from collections import Counter
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from chaos.invariants import CRASH_LOOPS, INVARIANTS
from chaos.mix import TRIES
from chaos.outcome import Verdict
from gristmill import ports
from gristmill.tasks.mail.message import message_id

if TYPE_CHECKING:
    from chaos.ledger import Entry
    from chaos.servers import Servers

TICK: Final = "chaos-tick"  # the schedule that fires each second
MAIL_FROM: Final = "Gristmill <no-reply@localhost.localdomain>"
FINAL: Final = ("succeeded", "dead", "cancelled")


@dataclass(frozen=True, slots=True)
class Row:
    """A job in Postgres."""

    id: UUID
    task: str
    state: str
    attempt: int
    tag: str | None
    parent_id: UUID | None


def judge(servers: Servers, entries: dict[str, Entry]) -> Verdict:
    """Look at everything, once nothing moves any more."""
    verdict = Verdict()
    rows = servers.query("SELECT id, task, state, attempt, tags[2], parent_id FROM gristmill.jobs")
    jobs = {
        UUID(row[0]): Row(UUID(row[0]), row[1], row[2], row[3], row[4], UUID(row[5]) if row[5] else None)
        for row in rows
    }
    verdict.jobs = len(jobs)
    verdict.by_state.update(job.state for job in jobs.values())
    verdict.attempts_lost = servers.query("SELECT count(*) FROM gristmill.attempts WHERE outcome = 'lost'")[0][0]
    verdict.crash_loops.update(UUID(row[0]) for row in servers.query(CRASH_LOOPS, TRIES))
    _judge_promises(verdict, entries, jobs)
    _judge_ends(verdict, entries, jobs)
    _judge_effects(verdict, servers, jobs)
    _judge_children(verdict, jobs)
    _judge_fires(verdict, servers, jobs)
    _judge_invariants(verdict, servers)
    _judge_mails(verdict, _caught(servers), jobs)
    return verdict


def _judge_promises(verdict: Verdict, entries: dict[str, Entry], jobs: dict[UUID, Row]) -> None:
    """Every accepted job is there, once."""
    for entry in entries.values():
        if entry.refused is not None:
            verdict.unexpected.append((f"{entry.kind} {entry.key} was refused: {entry.refused}", None))
        if len(entry.ids) > 1:
            verdict.twice.append((f"{entry.kind} {entry.key} was accepted as {', '.join(sorted(entry.ids))}", None))
        for job_id in map(UUID, entry.ids):
            if job_id not in jobs:
                verdict.lost.append((f"{entry.kind} {entry.key} was accepted and has no row", job_id))
    for key, count in Counter(job.tag for job in jobs.values() if job.tag is not None).items():
        if count > 1:
            verdict.twice.append((f"{count} jobs came from the one request {key}", None))


def _judge_ends(verdict: Verdict, entries: dict[str, Entry], jobs: dict[UUID, Row]) -> None:
    """Each job has ended, and as it has to."""
    for job in jobs.values():
        posted = entries.get(job.tag) if job.tag is not None else None
        name, end = (posted.kind, posted.end) if posted is not None else (job.task, "succeeded")
        if job.state not in FINAL:
            verdict.lost.append((f"{name} has not ended: {job.state}", job.id))
        elif job.state != end and job.id not in verdict.crash_loops:
            verdict.unexpected.append((f"{name} ended {job.state}, not {end}", job.id))


def _judge_effects(verdict: Verdict, servers: Servers, jobs: dict[UUID, Row]) -> None:
    effects: dict[UUID, list[int]] = {}
    for job_id, attempt in servers.query("SELECT job_id, attempt FROM gristmill.demo_effects"):
        effects.setdefault(UUID(job_id), []).append(attempt)
        verdict.effects += 1
    for key, count in servers.query(
        "SELECT key, count(*) FROM gristmill.demo_effects GROUP BY key HAVING count(*) > 1"
    ):
        verdict.twice.append((f"the effect {key} happened {count} times", None))
    for job_id, attempts in effects.items():
        job = jobs.get(job_id)
        if job is None or job.state != "succeeded":
            verdict.unexpected.append(("an effect of a job that did not succeed", job_id))
        elif job.attempt not in attempts:
            verdict.unexpected.append((f"the effect of attempt {attempts}, not of the last, {job.attempt}", job_id))
    for job in jobs.values():
        if job.task == "demo.effect" and job.state == "succeeded" and job.id not in effects:
            verdict.lost.append(("succeeded, and its effect is missing", job.id))


def _judge_children(verdict: Verdict, jobs: dict[UUID, Row]) -> None:
    """A user's job enqueues one mail, in its own transaction."""
    children = Counter(job.parent_id for job in jobs.values() if job.parent_id is not None)
    for job in jobs.values():
        if job.task == "user.create" and job.state == "succeeded" and children[job.id] != 1:
            found = (f"user.create enqueued {children[job.id]} mails", job.id)
            (verdict.twice if children[job.id] else verdict.lost).append(found)


def _judge_fires(verdict: Verdict, servers: Servers, jobs: dict[UUID, Row]) -> None:
    """Each second of the schedule has one fire, and each fire one job."""
    fires = servers.query("SELECT fire_at, job_id FROM gristmill.fires WHERE schedule = %s ORDER BY fire_at", TICK)
    verdict.fires = len(fires)
    for (before, _), (after, _) in pairwise(fires):
        if (after - before).total_seconds() != 1:
            verdict.lost.append((f"the schedule did not fire between {before} and {after}", None))
    for fire_at, job_id in fires:
        if job_id is None or UUID(job_id) not in jobs:
            verdict.lost.append((f"the fire of {fire_at} has no job", UUID(job_id) if job_id else None))


def _judge_invariants(verdict: Verdict, servers: Servers) -> None:
    for wrong, statement in INVARIANTS.items():
        for (row_id,) in servers.query(statement):
            verdict.unexpected.append((wrong, UUID(row_id) if row_id else None))


def _caught(servers: Servers) -> Counter[str]:
    connection = http.client.HTTPConnection(ports.LOOPBACK, servers.mails.http_port, timeout=20)
    try:
        connection.request("GET", "/mail?limit=100000")
        answer: dict[str, Any] = json.loads(connection.getresponse().read())
    finally:
        connection.close()
    if answer["count"] > len(answer["messages"]):
        raise RuntimeError("the mail catcher has forgotten mails: run for a shorter time, or with a lower --rate")
    return Counter(str(mail["message_id"]) for mail in answer["messages"])


def _judge_mails(verdict: Verdict, caught: Counter[str], jobs: dict[UUID, Row]) -> None:
    verdict.mails = len(caught)
    verdict.mails_twice = sum(count - 1 for count in caught.values())
    for job in jobs.values():
        if job.task == "email.send" and job.state == "succeeded" and not caught[message_id(job.id, MAIL_FROM)]:
            verdict.lost.append(("succeeded, and its mail was never sent", job.id))
