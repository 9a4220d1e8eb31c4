"""Crash points: named steps of the protocol at which a test can kill the process; off unless switched on.

`GRISTMILL_CRASH_POINT=executor.before_commit:2` sends SIGKILL to this process when it gets there for the second time.
"""

from __future__ import annotations

import os
import signal
import sys
from typing import Final

VARIABLE: Final = "GRISTMILL_CRASH_POINT"

CRASH_POINTS: Final = (
    "accept.before_commit",
    "accept.after_commit",
    "relay.before_publish",
    "relay.after_publish",
    "relay.after_commit",
    "executor.before_claim",
    "executor.after_claim",
    "executor.after_handler",
    "executor.before_commit",
    "executor.after_commit",
    "settle.before_failure",
    "settle.after_failure",
    "callback.before_enqueue",
    "callback.after_enqueue",
    "settle.before_giving_back",
    "settle.after_giving_back",
    "reconciler.before_commit",
    "reconciler.after_commit",
    "beat.before_commit",
    "beat.after_commit",
    "recorder.before_commit",
    "recorder.before_ack",
    "redrive.before_commit",
)

_name, _, _hit = os.environ.get(VARIABLE, "").partition(":")
_left = int(_hit or 1) if _name else 0
if _name and _name not in CRASH_POINTS:
    msg = f"{VARIABLE}={_name} is none of: {', '.join(CRASH_POINTS)}"
    raise ValueError(msg)


def crash_point(name: str) -> None:
    """Kill this process, if this point is switched on and has been reached often enough."""
    if name == _name:
        _count_down()


def _count_down() -> None:
    global _left  # noqa: PLW0603  the one piece of state of a switch
    _left -= 1
    if _left == 0:
        os.write(sys.stderr.fileno(), f"dies at the crash point {_name}\n".encode())
        os.kill(os.getpid(), signal.SIGKILL)
