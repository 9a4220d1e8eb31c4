"""Return the message of a job: the smallest task."""

from __future__ import annotations

from marshmallow import Schema, fields
from marshmallow.validate import Length

from gristmill.shared.context import Context
from gristmill.shared.task import task


class EchoArgs(Schema):
    """The message to return."""

    message = fields.String(required=True, validate=Length(max=10_000))


@task(name="demo.echo", queue="data_processing_queue", args=EchoArgs, bundle=100, demo=True)
def echo(ctx: Context, *, message: str) -> dict[str, str]:
    """Return the message. Repeating is harmless: nothing is done."""
    del ctx
    return {"message": message}
