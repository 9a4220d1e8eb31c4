"""The table at the end, and what to look at when something is wrong in it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final

from chaos.ledger import count_kinds

if TYPE_CHECKING:
    from pathlib import Path

    from chaos.outcome import Outcome

MOST_FINDINGS: Final = 20  # that are shown; all are in the file
EVENTS: Final = (
    "job.taken_over",
    "job.fenced",
    "job.retried",
    "hint.given_back",
    "bundle.failed",
    "database.away",
    "accept.commit_unknown",
    "accept.database_away",
    "lease.lost",
    "hint.revived",
    "loop.waits",
)


def table(outcome: Outcome) -> str:
    """Return the table."""
    verdict, told, options = outcome.verdict, outcome.told, outcome.options
    accepted = [entry for entry in outcome.entries.values() if entry.accepted]
    unknown = len(outcome.entries) - len(accepted)
    ended = sum(verdict.by_state[state] for state in ("succeeded", "dead", "cancelled"))
    states = ", ".join(f"{count} {state}" for state, count in sorted(verdict.by_state.items()))
    again = sum(entry.posts for entry in accepted) - len(accepted)
    lines = [
        ("accepted", len(accepted), f"of {len(outcome.entries)} wanted; {unknown} never saw a 202; {again} posts more"),
        ("jobs", verdict.jobs, "with those of the schedule and the mails of new users"),
        ("ended", ended, states),
        ("LOST", len(verdict.lost), ""),
        ("DONE TWICE", len(verdict.twice), f"among {verdict.effects} effects"),
        ("unexpected", len(verdict.unexpected), ""),
        ("hints redelivered", outcome.redelivered, "at least; by RabbitMQ's own count"),
        ("hints published again", told.hints_again, "the broker had lost them"),
        (
            "attempts taken over",
            verdict.attempts_lost,
            f"their worker was gone; {len(verdict.crash_loops)} jobs had no other left",
        ),
        ("mails", verdict.mails, f"{verdict.mails_twice} more came twice, which is allowed outside"),
        ("fires", verdict.fires, "of a schedule that is due each second"),
        ("seconds to recover", outcome.recovered and round(outcome.recovered, 1), "from healing to the last end"),
    ]
    rows = [f"{name:<22}{'–' if value is None else value:>8}  {note}".rstrip() for name, value, note in lines]
    result = "PASSED" if verdict.passed else "FAILED"
    title = f"chaos, seed {options.seed}, {options.seconds:g} s, {options.broker}: {result}"
    return "\n".join(
        [
            title,
            "-" * len(title),
            *rows,
            "",
            _counts("faults", outcome.faults),
            _counts("missed their target", outcome.missed),
            _counts("started again", outcome.restarts),
            _counts("kinds of jobs", count_kinds(outcome.entries)),
            _counts("told by the logs", {name: told.events[name] for name in EVENTS if told.events[name]}),
            *(["ended by themselves: " + "; ".join(outcome.own_ends)] if outcome.own_ends else []),
            *(f"error ×{count}: {text}" for text, count in told.errors.most_common(10)),
        ]
    )


def findings(outcome: Outcome, folder: Path) -> str:
    """Return what was wrong, with the rows of each job, and how to see it again."""
    verdict, options = outcome.verdict, outcome.options
    shown = [
        f"{title}: {text}" + (f" ({job_id})" if job_id else "")
        for title, found in (("lost", verdict.lost), ("twice", verdict.twice), ("unexpected", verdict.unexpected))
        for text, job_id in found
    ]
    return "\n".join(
        [
            *shown[:MOST_FINDINGS],
            *([f"… and {len(shown) - MOST_FINDINGS} more"] if len(shown) > MOST_FINDINGS else []),
            *outcome.traces[: 4 * MOST_FINDINGS],
            f"Logs, ledger and the nemesis's diary: {folder}",
            f"Again: make chaos SEED={options.seed} SECONDS={options.seconds:g} BROKER={options.broker}",
        ]
    )


def as_json(outcome: Outcome) -> str:
    """Return the figures and findings for a program."""
    verdict = outcome.verdict
    content: dict[str, Any] = {
        "seed": outcome.options.seed,
        "seconds": outcome.options.seconds,
        "broker": outcome.options.broker,
        "passed": verdict.passed,
        "wanted": len(outcome.entries),
        "accepted": sum(entry.accepted for entry in outcome.entries.values()),
        "jobs": verdict.jobs,
        "states": dict(verdict.by_state),
        "lost": [text for text, _ in verdict.lost],
        "done_twice": [text for text, _ in verdict.twice],
        "unexpected": [text for text, _ in verdict.unexpected],
        "effects": verdict.effects,
        "hints_redelivered": outcome.redelivered,
        "hints_published_again": outcome.told.hints_again,
        "attempts_taken_over": verdict.attempts_lost,
        "mails": verdict.mails,
        "mails_twice": verdict.mails_twice,
        "fires": verdict.fires,
        "seconds_to_recover": outcome.recovered,
        "faults": outcome.faults,
        "faults_missed": outcome.missed,
        "restarts": outcome.restarts,
        "ended_by_themselves": outcome.own_ends,
        "events": dict(outcome.told.events),
        "errors": dict(outcome.told.errors),
    }
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"


def _counts(title: str, counts: dict[str, int]) -> str:
    shown = ", ".join(f"{name} {count}" for name, count in sorted(counts.items(), key=lambda item: (-item[1], item[0])))
    return f"{title}: {sum(counts.values())} ({shown or 'none'})"
