"""States of a job, and the table of the moves between them."""

from __future__ import annotations

from collections.abc import Iterable
from enum import StrEnum
from typing import Final, NamedTuple


class State(StrEnum):
    """The state of a job. The last three are final; only a redrive leaves `dead`."""

    SCHEDULED = "scheduled"
    QUEUED = "queued"
    RUNNING = "running"
    RETRYING = "retrying"
    SUCCEEDED = "succeeded"
    DEAD = "dead"
    CANCELLED = "cancelled"


class Move(StrEnum):
    """The moves of a job. `gristmill.shared.jobs.moves` has one function of each name."""

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


class Transition(NamedTuple):
    """The states that a move may start from, and those that it may end in.

    Attributes:
        sources: a job in any other state does not move.
        target: the state that it ends in.
        target_until_due: the state instead of `target` while the job's `run_at` is ahead; None where that is the same.
    """

    sources: frozenset[State]
    target: State
    target_until_due: State | None = None

    @property
    def targets(self) -> frozenset[State]:
        """All states that the move may end in."""
        return frozenset({self.target, self.target_until_due or self.target})


_RUNNING: Final = frozenset({State.RUNNING})

MOVES: Final[dict[Move, Transition]] = {
    Move.CLAIM: Transition(WAITING, State.RUNNING),
    Move.SUCCEED: Transition(_RUNNING, State.SUCCEEDED),
    Move.RETRY: Transition(_RUNNING, State.RETRYING),
    Move.SNOOZE: Transition(_RUNNING, State.SCHEDULED),
    Move.GIVE_BACK: Transition(_RUNNING, State.QUEUED),
    Move.KILL: Transition(_RUNNING, State.DEAD),
    Move.EXPIRE: Transition(WAITING, State.DEAD),
    Move.GIVE_UP: Transition(WAITING, State.DEAD),
    Move.CANCEL: Transition(_RUNNING, State.CANCELLED),
    Move.CANCEL_WAITING: Transition(WAITING, State.CANCELLED),
    Move.RUN_NOW: Transition(frozenset({State.SCHEDULED, State.RETRYING}), State.QUEUED),
    Move.REDRIVE: Transition(frozenset({State.DEAD}), State.QUEUED, target_until_due=State.SCHEDULED),
}


class DeadReason(StrEnum):
    """Reasons for which a job ends without success."""

    EXHAUSTED = "exhausted"
    PERMANENT = "permanent"
    DISCARDED = "discarded"
    EXPIRED = "expired"
    CRASH_LOOP = "crash_loop"
    DELIVERY_LIMIT = "delivery_limit"
    MALFORMED = "malformed"


class AttemptOutcome(StrEnum):
    """Outcomes of an attempt that did not succeed."""

    FAILED = "failed"
    LOST = "lost"
    SNOOZED = "snoozed"
    GIVEN_BACK = "given_back"
    CANCELLED = "cancelled"
