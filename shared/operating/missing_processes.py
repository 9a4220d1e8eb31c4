"""Explain that a job waits because a relay, a worker, the broker or maintenance is missing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

from gristmill.shared.operating.queries_process_reports import ProcessStatus, list_processes
from gristmill.shared.operating.wait_reason import WaitReason, write_span, write_time

if TYPE_CHECKING:
    from sqlalchemy.orm import Session


def explain_missing(
    known: Sequence[ProcessStatus], now: datetime, *, kind: str, did: str, start: str
) -> WaitReason | None:
    """Return since when no process of a kind is alive; None when one is.

    Args:
        known: the processes of the kind, alive or not.
        now: the database's time.
        kind: `relay` or `worker`.
        did: the work that none does, as a past participle: "run", "consumed email_queue".
        start: the command that starts one.
    """
    if any(each.alive for each in known):
        return None
    reason = f"no_{kind}"
    if not known:
        return WaitReason(reason, f"no {kind} has ever {did}: start one with `{start}`", {"last_seen_at": None})
    last = max(known, key=lambda each: each.stopped_at or each.seen_at)
    since = last.stopped_at or last.seen_at
    how = "was stopped" if last.stopped_at is not None else "was last heard of"
    return WaitReason(
        reason,
        f"no {kind} has {did} for {write_span(now - since)}: the last one, {last.name}, {how} at {write_time(since)}",
        {"last_seen_at": since, "last_worked_at": last.acted_at, "last": last.name},
    )


def explain_broker_outage(known: Sequence[ProcessStatus]) -> WaitReason | None:
    """Return since when none of the live processes reaches the broker; None when one does."""
    alive = [each for each in known if each.alive]
    troubled = [each for each in alive if each.trouble_since is not None]
    if len(troubled) < len(alive):
        return None
    last = max(troubled, key=lambda each: each.trouble_since or each.seen_at)
    assert last.trouble_since is not None  # noqa: S101  all of them have trouble
    error = (last.trouble or "").partition(":")[0]
    return WaitReason(
        "broker_unreachable",
        f"the broker is unreachable since {write_time(last.trouble_since)} ({last.name} reports {error})",
        {"since": last.trouble_since, "reported_by": last.name, "error": error, "reported_at": last.seen_at},
    )


def describe_maintenance(session: Session) -> str:
    """Return whether maintenance repairs what may be lost, as the end of a sentence."""
    alive = any(each.alive for each in list_processes(session, kind="maintenance"))
    return "is looked into by maintenance" if alive else "nobody finds out: start `gristmill maintenance`"
