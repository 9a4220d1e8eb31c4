"""Write one row, then keep the transaction open for some seconds."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Final

from marshmallow import Schema, fields
from marshmallow.validate import Length, Range

from gristmill.shared.context import Context
from gristmill.shared.task import task
from gristmill.tasks.demo.queries import insert_demo_effect

LONGEST_LINGER: Final = 30  # seconds


class LingerArgs(Schema):
    """The duration of the work, in seconds, and the key under which effects are counted."""

    seconds = fields.Float(required=True, validate=Range(0, LONGEST_LINGER))
    key = fields.String(required=True, validate=Length(1, 200))


@task(
    name="demo.linger",
    queue="data_processing_queue",
    args=LingerArgs,
    time_limit=timedelta(seconds=60),
    bundle=20,
    demo=True,
)
def linger(ctx: Context, *, seconds: float, key: str) -> dict[str, str]:
    """Insert a row as `demo.effect` does, then work for a while. Repeating is harmless for the same reason."""
    insert_demo_effect(ctx.session, key=key, job_id=ctx.job_id, attempt=ctx.attempt)
    time.sleep(seconds)
    return {"key": key}
