"""Sleep for some seconds, or until the job is cancelled."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Final

from marshmallow import Schema, fields
from marshmallow.validate import Range

from gristmill.shared.context import Context
from gristmill.shared.outcomes import Cancel
from gristmill.shared.task import task

LONGEST_SLEEP: Final = 3600  # seconds
SLICE: Final = 0.2  # seconds between two checks for a request to cancel


class SleepArgs(Schema):
    """The duration, in seconds."""

    seconds = fields.Float(required=True, validate=Range(0, LONGEST_SLEEP))


@task(
    name="demo.sleep",
    queue="data_processing_queue",
    args=SleepArgs,
    time_limit=timedelta(seconds=LONGEST_SLEEP + 60),
    demo=True,
)
def sleep(ctx: Context, *, seconds: float) -> dict[str, float] | Cancel:
    """Sleep, and wake up early when the job is cancelled. Repeating is harmless: nothing is done."""
    ends_at = time.monotonic() + seconds
    while (left := ends_at - time.monotonic()) > 0:
        if ctx.cancelled:
            return Cancel("cancelled while it slept")
        time.sleep(min(SLICE, left))
    return {"seconds": seconds}
