"""The number of requests a second that a producer may make."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.add_column("producers", sa.Column("rate", sa.Double(), nullable=True))
    op.add_column("producers", sa.Column("burst", sa.Integer(), nullable=True))
    op.create_check_constraint("rate", "producers", "rate > 0")
    op.create_check_constraint("burst", "producers", "burst IS NULL OR (burst > 0 AND rate IS NOT NULL)")


def downgrade() -> None:
    """Take the revision back."""
    op.drop_column("producers", "burst")
    op.drop_column("producers", "rate")
