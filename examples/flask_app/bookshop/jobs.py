"""The tasks of the shop. Workers run them; the web application imports this module to enqueue them."""

from datetime import timedelta

from marshmallow import Schema, fields
from sqlalchemy import func, select

from bookshop.models import Order
from gristmill import Context, Discard, RetryPolicy, task


class ConfirmOrderArgs(Schema):
    """The order to confirm."""

    order_id = fields.Integer(strict=True, required=True)


class ReportOrdersArgs(Schema):
    """The reader of the report."""

    to = fields.Email(required=True)


@task(name="order.confirm", queue="orders_queue", args=ConfirmOrderArgs, retry=RetryPolicy(max_attempts=5))
def confirm_order(ctx: Context, *, order_id: int) -> str | Discard:
    """Confirm an order, and mail that.

    Repeating is harmless: the row, the job of the mail and the end of this job are one commit.
    """
    order = ctx.session.get(Order, order_id)
    if order is None:
        return Discard(f"the order {order_id} was deleted")
    order.confirmed_at = func.now()
    context = {"order": order.id, "title": order.book.title}
    ctx.enqueue("email.send", to=order.email, template="order_confirmed", context=context)
    return order.book.title


@task(name="order.report", queue="orders_queue", args=ReportOrdersArgs, retry=RetryPolicy(max_attempts=5))
def report_orders(ctx: Context, *, to: str) -> int:
    """Mail how many orders the last day brought."""
    since = func.now() - timedelta(days=1)
    count = ctx.session.scalar(select(func.count()).select_from(Order).where(Order.created_at > since)) or 0
    ctx.enqueue("email.send", to=to, template="orders_report", context={"count": count})
    return count
