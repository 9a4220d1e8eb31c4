"""Permissions of producers, and their API keys."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.add_column("producers", sa.Column("quota", sa.Integer(), nullable=True))
    op.add_column("producers", sa.Column("sees_payloads", sa.Boolean(), server_default=sa.text("true"), nullable=False))
    op.create_check_constraint("quota", "producers", "quota > 0")
    op.add_column("api_keys", sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Take the revision back."""
    op.drop_column("api_keys", "last_used_at")
    op.drop_column("producers", "sees_payloads")
    op.drop_column("producers", "quota")
