"""Tasks for trying the platform out, and for its tests; there only when GRISTMILL_DEMO_TASKS is on."""

from __future__ import annotations

import os
import signal
import time
from datetime import timedelta
from typing import Any, Final

from marshmallow import Schema, fields
from marshmallow.validate import Length, OneOf, Range
from sqlalchemy import insert

from gristmill.shared.context import Context
from gristmill.shared.errors import PermanentError, TransientError
from gristmill.shared.outcomes import Cancel
from gristmill.shared.task import task
from gristmill.tasks.demo.models import DemoEffect

QUEUE: Final = "data_processing_queue"
FOR_EVER: Final = -1
LONGEST_SLEEP: Final = 3600
LONGEST_LINGER: Final = 30
SLICE: Final = 0.2  # seconds between two looks at a request to cancel


class EchoArgs(Schema):
    """What to say back."""

    message = fields.String(required=True, validate=Length(max=10_000))


@task(name="demo.echo", queue=QUEUE, args=EchoArgs, bundle=100, demo=True)
def echo(ctx: Context, *, message: str) -> dict[str, str]:
    """Return the message. Repeating is harmless: nothing is done."""
    del ctx
    return {"message": message}


class FailArgs(Schema):
    """How often to fail (-1 is for ever), and how."""

    times = fields.Integer(required=True, strict=True, validate=Range(FOR_EVER, 100))
    kind = fields.String(validate=OneOf(["transient", "permanent"]), load_default="transient")


@task(name="demo.fail", queue=QUEUE, args=FailArgs, demo=True)
def fail(ctx: Context, *, times: int, kind: str = "transient") -> dict[str, int]:
    """Fail in the first attempts, then succeed. Repeating is harmless: nothing is done."""
    if times == FOR_EVER or ctx.attempt <= times:
        msg = f"attempt {ctx.attempt} fails, as it was asked to"
        raise PermanentError(msg) if kind == "permanent" else TransientError(msg)
    return {"attempt": ctx.attempt}


class SleepArgs(Schema):
    """For how long, in seconds."""

    seconds = fields.Float(required=True, validate=Range(0, LONGEST_SLEEP))


@task(name="demo.sleep", queue=QUEUE, args=SleepArgs, time_limit=timedelta(seconds=LONGEST_SLEEP + 60), demo=True)
def sleep(ctx: Context, *, seconds: float) -> dict[str, float] | Cancel:
    """Sleep, and wake up early to be cancelled. Repeating is harmless: nothing is done."""
    ends_at = time.monotonic() + seconds
    while (left := ends_at - time.monotonic()) > 0:
        if ctx.cancelled:
            return Cancel("it was asked to be cancelled, and woke up")
        time.sleep(min(SLICE, left))
    return {"seconds": seconds}


class LingerArgs(Schema):
    """For how long to work, in seconds, and what to count the effects by."""

    seconds = fields.Float(required=True, validate=Range(0, LONGEST_LINGER))
    key = fields.String(required=True, validate=Length(1, 200))


@task(name="demo.linger", queue=QUEUE, args=LingerArgs, time_limit=timedelta(seconds=60), bundle=20, demo=True)
def linger(ctx: Context, *, seconds: float, key: str) -> dict[str, str]:
    """Leave a row as `demo.effect` does, then work for a while. Repeating is harmless for the same reason."""
    ctx.session.execute(insert(DemoEffect).values(key=key, job_id=ctx.job_id, attempt=ctx.attempt))
    time.sleep(seconds)
    return {"key": key}


class CrashArgs(Schema):
    """How often to crash (-1 is for ever)."""

    times = fields.Integer(required=True, strict=True, validate=Range(FOR_EVER, 100))


@task(name="demo.crash", queue=QUEUE, args=CrashArgs, demo=True)
def crash(ctx: Context, *, times: int) -> dict[str, Any]:
    """Kill its own process in the first attempts, then succeed. Repeating is harmless: nothing is done."""
    if times == FOR_EVER or ctx.attempt <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    return {"attempt": ctx.attempt}


class EffectArgs(Schema):
    """What to count the effects by."""

    key = fields.String(required=True, validate=Length(1, 200))


@task(name="demo.effect", queue=QUEUE, args=EffectArgs, bundle=100, demo=True)
def effect(ctx: Context, *, key: str) -> dict[str, str]:
    """Insert one row into demo_effects.

    The table has no unique key, so that an effect that happened twice would be seen. It does not: the row is written in
    the transaction that completes this job.
    """
    ctx.session.add(DemoEffect(key=key, job_id=ctx.job_id, attempt=ctx.attempt))
    return {"key": key}
