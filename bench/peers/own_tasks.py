"""The work of all peers as tasks of this platform, with bundles and without."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final

from marshmallow import Schema, fields
from marshmallow.validate import OneOf

from bench.peers.inside.work import WAIT, mark
from gristmill.shared.context import Context
from gristmill.shared.task import task
from gristmill.tasks.demo.models import DemoEffect

if TYPE_CHECKING:
    from flask import Flask

QUEUE: Final = "data_processing_queue"


class WorkArgs(Schema):
    """The kind of work, and the time at which it was sent."""

    kind = fields.String(required=True, validate=OneOf(["noop", "effect", "wait"]))
    sent = fields.Float(required=True)


@task(name="bench.bundled", queue=QUEUE, args=WorkArgs, bundle=250, demo=True)
def bundled(ctx: Context, *, kind: str, sent: float) -> None:
    """Do one job of a bundle. Repeating is harmless: the row belongs to the job's transaction."""
    _work(ctx, kind, sent)


@task(name="bench.alone", queue=QUEUE, args=WorkArgs, demo=True)
def alone(ctx: Context, *, kind: str, sent: float) -> None:
    """Do one job. Repeating is harmless: the row belongs to the job's transaction."""
    _work(ctx, kind, sent)


def _work(ctx: Context, kind: str, sent: float) -> None:
    mark(sent)
    if kind == "effect":
        ctx.session.add(DemoEffect(key="measured", job_id=ctx.job_id, attempt=ctx.attempt))
    elif kind == "wait":
        time.sleep(WAIT)


def load() -> Flask:
    """Return the ingress' app, in which these tasks are known."""
    from gristmill.ingress import serve

    return serve.load()
