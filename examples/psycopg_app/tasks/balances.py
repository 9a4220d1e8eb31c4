"""Note balances."""

from marshmallow import Schema
from sqlalchemy import text

from gristmill import Context, RetryPolicy, task


class NoteBalancesArgs(Schema):
    """It takes none."""


@task(name="balance.note", queue="bank_queue", args=NoteBalancesArgs, retry=RetryPolicy(max_attempts=5))
def note_balances(ctx: Context) -> int:
    """Note what each account holds."""
    note = text("INSERT INTO balances (account, noted_at, cents) SELECT name, now(), cents FROM accounts RETURNING 1")
    return len(ctx.session.execute(note).all())
