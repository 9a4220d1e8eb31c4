"""Tasks that fail, wait or never end."""

import sys
import time
from datetime import timedelta
from importlib import import_module

from marshmallow import Schema, fields

from gristmill import Cancel, Context, Discard, PermanentError, RetryPolicy, Snooze, TransientError, task

models = import_module("shop.models")
RETRY = RetryPolicy(max_attempts=3, first_delay=timedelta(minutes=10), max_delay=timedelta(hours=1))


class FailArgs(Schema):
    kind = fields.String(load_default="transient")
    times = fields.Integer(strict=True, load_default=99)


@task(name="odd.fail", queue="shop_queue", args=FailArgs, retry=RETRY)
def fail(ctx: Context, *, kind: str, times: int) -> int:
    """Fail as often as asked to, and leave a row that nobody may see."""
    ctx.session.execute(models.calls.insert().values(name="failed", together=1))
    if ctx.attempt <= times:
        raise {"transient": TransientError, "permanent": PermanentError, "plain": ZeroDivisionError}[kind](kind)
    return ctx.attempt


class OutcomeArgs(Schema):
    kind = fields.String(required=True)


@task(name="odd.outcome", queue="shop_queue", args=OutcomeArgs)
def outcome(_ctx: Context, *, kind: str) -> object:
    """Return what is no result, or no JSON."""
    return {"discard": Discard("old"), "snooze": Snooze(timedelta(hours=2)), "cancel": Cancel("late")}.get(kind, {1})


class NoArgs(Schema):
    pass


@task(name="odd.forever", queue="shop_queue", args=NoArgs)
def forever(ctx: Context) -> None:
    """Enqueue itself."""
    ctx.enqueue("odd.forever")


@task(name="odd.doubled", queue="shop_queue", args=NoArgs)
def doubled(ctx: Context) -> None:
    """Write two rows with one key, at once."""
    ctx.session.execute(models.invoices.insert(), [{"number": "1"}, {"number": "1"}])


@task(name="odd.leave", queue="shop_queue", args=NoArgs)
def leave(_ctx: Context) -> None:
    """End the process."""
    sys.exit("bye")


@task(name="odd.hang", queue="shop_queue", args=NoArgs, time_limit=timedelta(seconds=1))
def hang(_ctx: Context) -> None:
    """Run beyond its limit."""
    while True:
        time.sleep(0.01)


def _until_cancelled(ctx: Context) -> Cancel:
    while not ctx.cancelled:
        time.sleep(0.01)
    return Cancel("asked to")


@task(name="odd.wait", queue="shop_queue", args=NoArgs, retry=RETRY)
def wait(ctx: Context) -> Cancel:
    """Run until it is cancelled."""
    return _until_cancelled(ctx)


@task(name="odd.wait_outside", queue="shop_queue", args=NoArgs, retry=RETRY, effects="outside")
def wait_outside(ctx: Context) -> Cancel:
    """Run until it is cancelled, with no transaction."""
    return _until_cancelled(ctx)
