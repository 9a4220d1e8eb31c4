"""Hints outside of bundles, the count of hints that the broker gave up on, and an index of dead jobs."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.add_column("outbox", sa.Column("alone", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("outbox", sa.Column("revivals", sa.Integer(), server_default="0", nullable=False))
    op.create_index("ix_jobs_dead", "jobs", ["finished_at"], postgresql_where=sa.text("state = 'dead'"))


def downgrade() -> None:
    """Take the revision back."""
    op.drop_index("ix_jobs_dead", table_name="jobs")
    op.drop_column("outbox", "revivals")
    op.drop_column("outbox", "alone")
