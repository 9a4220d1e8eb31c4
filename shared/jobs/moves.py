"""Every move of a job from one state to another: a guarded UPDATE each, with a count of the rows that moved.

Each function is one `states.Move`. None of them commits. A row that is not in an allowed state, or whose attempt is no
longer the caller's, does not move, and the caller is told. This is their index; what they do stands in `moves_*.py`.
"""

from gristmill.shared.jobs.moves_attempt import Claimed, claim, succeed
from gristmill.shared.jobs.moves_by_hand import (
    Redriven,
    cancel_waiting,
    redrive,
    request_cancel,
    request_cancels,
    run_now,
)
from gristmill.shared.jobs.moves_failed import cancel, kill, retry, snooze
from gristmill.shared.jobs.moves_give_back import give_back
from gristmill.shared.jobs.moves_unclaimed import expire, give_up

__all__ = [
    "Claimed",
    "Redriven",
    "cancel",
    "cancel_waiting",
    "claim",
    "expire",
    "give_back",
    "give_up",
    "kill",
    "redrive",
    "request_cancel",
    "request_cancels",
    "retry",
    "run_now",
    "snooze",
    "succeed",
]
