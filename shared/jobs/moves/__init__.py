"""Move a job from one state to another: one guarded UPDATE for each `states.Move`.

No function commits. A row does not move when its state is not an allowed one, or when its attempt is no longer the
caller's. The result says which rows moved.
"""

from gristmill.shared.jobs.moves.attempt import Claimed, claim, succeed
from gristmill.shared.jobs.moves.by_hand import (
    Redriven,
    cancel_waiting,
    redrive,
    request_cancel,
    request_cancels,
    run_now,
)
from gristmill.shared.jobs.moves.failed import cancel, kill, retry, snooze
from gristmill.shared.jobs.moves.give_back import give_back
from gristmill.shared.jobs.moves.unclaimed import expire, give_up

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
