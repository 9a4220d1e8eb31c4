"""Tables of demo, as the last revision before the plugins left them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "demo_base"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "demo_effects",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_demo_effects")),
        schema="gristmill",
    )
    op.create_index("ix_demo_effects_key", "demo_effects", ["key"], unique=False, schema="gristmill")


def downgrade() -> None:
    """Take the revision back."""
    op.drop_index("ix_demo_effects_key", table_name="demo_effects", schema="gristmill")
    op.drop_table("demo_effects", schema="gristmill")
