"""Tables of mail, as the last revision before the plugins left them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "mail_base"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "email_messages",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("message_id", sa.Text(), nullable=False),
        sa.Column("recipient", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("template", sa.Text(), nullable=False),
        sa.Column("status", sa.Text(), server_default="sending", nullable=False),
        sa.Column("smtp_reply", sa.Text(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("status IN ('sending', 'sent', 'refused')", name=op.f("ck_email_messages_status")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_email_messages")),
        sa.UniqueConstraint("job_id", name=op.f("uq_email_messages_job_id")),
        schema="gristmill",
    )
    op.create_index(
        "ix_email_messages_recipient", "email_messages", ["recipient", "id"], unique=False, schema="gristmill"
    )


def downgrade() -> None:
    """Take the revision back."""
    op.drop_index("ix_email_messages_recipient", table_name="email_messages", schema="gristmill")
    op.drop_table("email_messages", schema="gristmill")
