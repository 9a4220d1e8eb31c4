"""Kill the worker process in the first attempts of a job, then succeed."""

from __future__ import annotations

import os
import signal
from typing import Any, Final

from marshmallow import Schema, fields
from marshmallow.validate import Range

from gristmill.shared.context import Context
from gristmill.shared.task import task

FOR_EVER: Final = -1


class CrashArgs(Schema):
    """The number of attempts that crash (-1: all)."""

    times = fields.Integer(required=True, strict=True, validate=Range(FOR_EVER, 100))


@task(name="demo.crash", queue="data_processing_queue", args=CrashArgs, demo=True)
def crash(ctx: Context, *, times: int) -> dict[str, Any]:
    """Kill the process that runs it in the first attempts, then succeed. Repeating is harmless: nothing is done."""
    if times == FOR_EVER or ctx.attempt <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"attempt": ctx.attempt}
