"""The outcome of attempts that a stopping worker gives back before it begins them."""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0013"
branch_labels = None
depends_on = None

_BEFORE = "'failed', 'lost', 'snoozed', 'cancelled'"


def upgrade() -> None:
    """Apply the revision."""
    _allow("'failed', 'lost', 'snoozed', 'given_back', 'cancelled'")


def downgrade() -> None:
    """Take the revision back: such attempts become the outcome that they resemble most."""
    op.execute("UPDATE attempts SET outcome = 'snoozed' WHERE outcome = 'given_back'")
    _allow(_BEFORE)


def _allow(outcomes: str) -> None:
    op.drop_constraint(op.f("ck_attempts_outcome"), "attempts", type_="check")
    op.create_check_constraint("outcome", "attempts", f"outcome IN ({outcomes})")
