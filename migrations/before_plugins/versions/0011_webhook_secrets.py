"""The secrets that sign callbacks."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "webhook_secrets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("producer_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("id", name="pk_webhook_secrets"),
        sa.ForeignKeyConstraint(
            ["producer_id"], ["producers.id"], name="fk_webhook_secrets_producer_id", ondelete="CASCADE"
        ),
    )
    op.create_index("ix_webhook_secrets_producer", "webhook_secrets", ["producer_id"])
    op.create_index(
        "uq_webhook_secrets_current",
        "webhook_secrets",
        ["producer_id"],
        unique=True,
        postgresql_where=sa.text("expires_at IS NULL"),
    )


def downgrade() -> None:
    """Take the revision back."""
    op.drop_table("webhook_secrets")
