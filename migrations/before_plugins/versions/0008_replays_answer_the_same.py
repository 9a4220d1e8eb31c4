"""The expiry in the answer of an idempotency key, since a redrive sets a new one for the job."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0008"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.add_column("idempotency_keys", sa.Column("job_expires_at", sa.DateTime(timezone=True), nullable=True))
    op.execute(
        "UPDATE idempotency_keys SET job_expires_at = jobs.expires_at FROM jobs WHERE jobs.id = idempotency_keys.job_id"
    )


def downgrade() -> None:
    """Take the revision back."""
    op.drop_column("idempotency_keys", "job_expires_at")
