"""Tables of records, as the last revision before the plugins left them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "records_base"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "aggregated_stats",
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("bucket", sa.DateTime(timezone=True), nullable=False),
        sa.Column("dimensions_key", sa.Text(), nullable=False),
        sa.Column("dimensions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("count", sa.BigInteger(), nullable=False),
        sa.Column("sum", sa.Double(), nullable=False),
        sa.Column("avg", sa.Double(), nullable=False),
        sa.Column("min", sa.Double(), nullable=False),
        sa.Column("max", sa.Double(), nullable=False),
        sa.Column("p50", sa.Double(), nullable=False),
        sa.Column("p95", sa.Double(), nullable=False),
        sa.Column(
            "computed_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("stream", "measure", "bucket", "dimensions_key", name=op.f("pk_aggregated_stats")),
        schema="gristmill",
    )
    op.create_index("ix_aggregated_stats_bucket", "aggregated_stats", ["bucket"], unique=False, schema="gristmill")
    op.create_table(
        "streams",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("json_schema", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("measures", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("dimensions", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_streams")),
        schema="gristmill",
    )
    op.create_table(
        "records",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("data", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("status", sa.Text(), server_default="pending", nullable=False),
        sa.Column("errors", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("processed_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "status IN ('pending', 'processing', 'completed', 'failed')", name=op.f("ck_records_status")
        ),
        sa.ForeignKeyConstraint(["stream"], ["gristmill.streams.name"], name=op.f("fk_records_stream")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_records")),
        schema="gristmill",
    )
    op.create_index("ix_records_stream", "records", ["stream", "occurred_at"], unique=False, schema="gristmill")
    op.create_table(
        "measurements",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("record_id", sa.Uuid(), nullable=False),
        sa.Column("stream", sa.Text(), nullable=False),
        sa.Column("measure", sa.Text(), nullable=False),
        sa.Column("value", sa.Double(), nullable=False),
        sa.Column("dimensions", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=False),
        sa.ForeignKeyConstraint(
            ["record_id"], ["gristmill.records.id"], name=op.f("fk_measurements_record_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_measurements")),
        schema="gristmill",
    )
    op.create_index("ix_measurements_time", "measurements", ["occurred_at"], unique=False, schema="gristmill")
    op.create_index("uq_measurements_record", "measurements", ["record_id", "measure"], unique=True, schema="gristmill")


def downgrade() -> None:
    """Take the revision back."""
    op.drop_index("uq_measurements_record", table_name="measurements", schema="gristmill")
    op.drop_index("ix_measurements_time", table_name="measurements", schema="gristmill")
    op.drop_table("measurements", schema="gristmill")
    op.drop_index("ix_records_stream", table_name="records", schema="gristmill")
    op.drop_table("records", schema="gristmill")
    op.drop_table("streams", schema="gristmill")
    op.drop_index("ix_aggregated_stats_bucket", table_name="aggregated_stats", schema="gristmill")
    op.drop_table("aggregated_stats", schema="gristmill")
