"""The time until which somebody follows a job."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.add_column("jobs", sa.Column("watched_until", sa.DateTime(timezone=True), nullable=True))


def downgrade() -> None:
    """Take the revision back."""
    op.drop_column("jobs", "watched_until")
