"""Settle transfers."""

from marshmallow import Schema, fields
from sqlalchemy import text

from gristmill import Cancel, Context, RetryPolicy, task


class SettleTransferArgs(Schema):
    """The transfer to settle."""

    transfer_id = fields.Integer(strict=True, required=True)


@task(name="transfer.settle", queue="bank_queue", args=SettleTransferArgs, retry=RetryPolicy(max_attempts=5))
def settle_transfer(ctx: Context, *, transfer_id: int) -> int | Cancel:
    """Give the money to the payee.

    The session is SQLAlchemy's; its transaction also ends the job, so that no attempt pays twice.
    """
    settle = text(
        "UPDATE transfers SET settled_at = now() WHERE id = :id AND settled_at IS NULL RETURNING payee, cents"
    )
    transfer = ctx.session.execute(settle, {"id": transfer_id}).one_or_none()
    if transfer is None:
        return Cancel("it is settled, or there is no such transfer")
    ctx.session.execute(text("UPDATE accounts SET cents = cents + :cents WHERE name = :payee"), transfer._asdict())
    return transfer.cents
