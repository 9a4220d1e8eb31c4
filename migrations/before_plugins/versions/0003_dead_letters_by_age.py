"""An index of open dead letters by age, and a mark of idempotency keys whose answer was a duplicate."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.add_column(
        "idempotency_keys", sa.Column("duplicate", sa.Boolean(), server_default=sa.text("false"), nullable=False)
    )
    op.create_index(
        "ix_dead_letters_open_age",
        "dead_letters",
        ["created_at", "id"],
        postgresql_where=sa.text("resolution IS NULL"),
    )


def downgrade() -> None:
    """Take the revision back."""
    op.drop_index("ix_dead_letters_open_age", table_name="dead_letters")
    op.drop_column("idempotency_keys", "duplicate")
