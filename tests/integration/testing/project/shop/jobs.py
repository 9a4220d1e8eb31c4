"""Tasks of the shop."""

from datetime import UTC, datetime, timedelta
from importlib import import_module
from typing import Any

from marshmallow import Schema, fields
from sqlalchemy import select

from gristmill import Context, task
from gristmill.shared.context import Call

models = import_module("shop.models")


class InvoiceArgs(Schema):
    number = fields.String(required=True)
    to = fields.Email(required=True)


@task(name="invoice.send", queue="shop_queue", args=InvoiceArgs)
def send_invoice(ctx: Context, *, number: str, to: str) -> dict[str, Any]:
    """Store an invoice, and mail it."""
    ctx.session.execute(models.invoices.insert().values(number=number))
    ctx.enqueue("email.send", to=to, subject=f"Invoice {number}", text="Please pay.")
    return {"number": number, "attempt": ctx.attempt}


class NoArgs(Schema):
    pass


@task(name="invoice.remind", queue="shop_queue", args=NoArgs)
def remind(ctx: Context) -> list[str]:
    """Return the invoices that are older than two weeks, by the clock of Python."""
    before = datetime.now(UTC) - timedelta(days=14)
    return list(ctx.session.scalars(select(models.invoices.c.number).where(models.invoices.c.created_at < before)))


def count_together(calls: list[Call]) -> list[int]:
    """Note how many jobs came together."""
    calls[0].ctx.session.execute(models.calls.insert().values(name="many", together=len(calls)))
    return [call.args["number"] * 10 for call in calls]


class CountArgs(Schema):
    number = fields.Integer(strict=True, required=True)


@task(name="count.up", queue="shop_queue", args=CountArgs, bundle=10, many=count_together)
def count_up(ctx: Context, *, number: int) -> int:
    """Note that a job came alone."""
    ctx.session.execute(models.calls.insert().values(name="alone", together=1))
    return number * 10


class VaultArgs(Schema):
    pin = fields.String(required=True, metadata={"secret": True})


@task(name="vault.open", queue="shop_queue", args=VaultArgs)
def open_vault(_ctx: Context, *, pin: str) -> int:
    """Return the length of a secret."""
    return len(pin)


@task(name="partner.call", queue="shop_queue", args=NoArgs, effects="outside")
def call_partner(ctx: Context) -> str:
    """Write down that a partner was called."""
    with ctx.transaction() as session:
        session.execute(models.calls.insert().values(name="partner", together=1))
        ctx.enqueue_in(session, "count.up", number=1)
    return "called"
