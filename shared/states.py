"""The states of a job, and the one table of the moves between them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final


class State(StrEnum):
    """Where a job stands. The last three are final; `dead` leaves only by redrive."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    DEAD = "dead"
    CANCELLED = "cancelled"


class Move(StrEnum):
    """What can happen to a job. `gristmill.shared.jobs.moves` has one function of each name."""

    CLAIM = "claim"
    SUCCEED = "succeed"
    RETRY = "retry"
    SNOOZE = "snooze"
    GIVE_BACK = "give_back"
    KILL = "kill"
    EXPIRE = "expire"
    GIVE_UP = "give_up"
    CANCEL = "cancel"
    CANCEL_WAITING = "cancel_waiting"
    RUN_NOW = "run_now"
    REDRIVE = "redrive"


WAITING: Final = frozenset({State.SCHEDULED, State.QUEUED, State.RETRYING})
LIVE: Final = WAITING | {State.RUNNING}
FINAL: Final = frozenset({State.SUCCEEDED, State.DEAD, State.CANCELLED})


def sql_list(states: Iterable[State]) -> str:
    """Return `states` as SQL writes a list of literals, without brackets: `'scheduled', 'queued'`.

    They stand in the order in which `State` declares them, so that equal sets give equal statements.
    """
    chosen = frozenset(states)
    return ", ".join(f"'{state}'" for state in State if state in chosen)


MOVES: Final[dict[Move, tuple[frozenset[State], State]]] = {
    Move.CLAIM: (WAITING, State.RUNNING),
    Move.SUCCEED: (frozenset({State.RUNNING}), State.SUCCEEDED),
    Move.RETRY: (frozenset({State.RUNNING}), State.RETRYING),
    Move.SNOOZE: (frozenset({State.RUNNING}), State.SCHEDULED),
    Move.GIVE_BACK: (frozenset({State.RUNNING}), State.QUEUED),
    Move.KILL: (frozenset({State.RUNNING}), State.DEAD),
    Move.EXPIRE: (WAITING, State.DEAD),
    Move.GIVE_UP: (WAITING, State.DEAD),
    Move.CANCEL: (frozenset({State.RUNNING}), State.CANCELLED),
    Move.CANCEL_WAITING: (WAITING, State.CANCELLED),
    Move.RUN_NOW: (frozenset({State.SCHEDULED, State.RETRYING}), State.QUEUED),
    Move.REDRIVE: (frozenset({State.DEAD}), State.QUEUED),
}


class DeadReason(StrEnum):
    """Why a job ended without success."""

    EXHAUSTED = "exhausted"
    PERMANENT = "permanent"
    DISCARDED = "discarded"
    EXPIRED = "expired"
    CRASH_LOOP = "crash_loop"
    DELIVERY_LIMIT = "delivery_limit"
    MALFORMED = "malformed"


class AttemptOutcome(StrEnum):
    """How one attempt ended, when it did not succeed."""

    FAILED = "failed"
    LOST = "lost"
    SNOOZED = "snoozed"
    GIVEN_BACK = "given_back"
    CANCELLED = "cancelled"
