"""An index that counts the jobs of a producer in flight, for its quota, without reading its history."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

_LIVE = "state IN ('scheduled', 'queued', 'running', 'retrying')"


def upgrade() -> None:
    """Apply the revision."""
    op.create_index(
        "ix_jobs_in_flight",
        "jobs",
        ["producer_id"],
        postgresql_where=sa.text(f"producer_id IS NOT NULL AND {_LIVE}"),
    )


def downgrade() -> None:
    """Take the revision back."""
    op.drop_index("ix_jobs_in_flight", table_name="jobs")
