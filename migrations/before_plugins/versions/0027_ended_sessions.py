"""An index of ended sessions, for their deletion."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0027"
down_revision = "0026"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_index("ix_sessions_end", "sessions", [sa.text("LEAST(expires_at, revoked_at)")])


def downgrade() -> None:
    """Take the revision back."""
    op.drop_index("ix_sessions_end", table_name="sessions")
