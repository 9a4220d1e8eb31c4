"""Fail in the first attempts of a job, then succeed."""

from __future__ import annotations

from typing import Final

from marshmallow import Schema, fields
from marshmallow.validate import OneOf, Range

from gristmill.shared.context import Context
from gristmill.shared.errors import PermanentError, TransientError
from gristmill.shared.task import task

FOR_EVER: Final = -1


class FailArgs(Schema):
    """The number of attempts that fail (-1: all), and the kind of error."""

    times = fields.Integer(required=True, strict=True, validate=Range(FOR_EVER, 100))
    kind = fields.String(validate=OneOf(["transient", "permanent"]), load_default="transient")


@task(name="demo.fail", queue="data_processing_queue", args=FailArgs, demo=True)
def fail(ctx: Context, *, times: int, kind: str = "transient") -> dict[str, int]:
    """Fail in the first attempts, then succeed. Repeating is harmless: nothing is done."""
    if times == FOR_EVER or ctx.attempt <= times:
        msg = f"attempt {ctx.attempt} fails, as requested"
        raise PermanentError(msg) if kind == "permanent" else TransientError(msg)
    return {"attempt": ctx.attempt}
