"""Insert one row that is counted, to show that effects happen exactly once."""

from __future__ import annotations

from marshmallow import Schema, fields
from marshmallow.validate import Length

from gristmill.shared.context import Context
from gristmill.shared.task import task
from gristmill.tasks.demo.models import DemoEffect


class EffectArgs(Schema):
    """The key under which effects are counted."""

    key = fields.String(required=True, validate=Length(1, 200))


@task(name="demo.effect", queue="data_processing_queue", args=EffectArgs, bundle=100, demo=True)
def effect(ctx: Context, *, key: str) -> dict[str, str]:
    """Insert one row into demo_effects.

    The table has no unique key, so an effect that happened twice would be counted twice. That does not occur: the row
    is written in the transaction that completes this job.
    """
    ctx.session.add(DemoEffect(key=key, job_id=ctx.job_id, attempt=ctx.attempt))
    return {"key": key}
