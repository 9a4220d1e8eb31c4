"""Paused queues, and the reports of processes about themselves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "queue_controls",
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_by", sa.Text(), nullable=True),
        sa.Column("pause_reason", sa.Text(), nullable=True),
        sa.Column("released_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint(
            "(paused_at IS NULL) = (paused_by IS NULL)", name=op.f("ck_queue_controls_paused_by_somebody")
        ),
        sa.PrimaryKeyConstraint("queue", name=op.f("pk_queue_controls")),
    )
    op.create_table(
        "held_hints",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("alone", sa.Boolean(), nullable=False),
        sa.Column("revivals", sa.Integer(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("job_id", name=op.f("pk_held_hints")),
    )
    op.create_index("ix_held_hints_due", "held_hints", ["queue", "due_at", "job_id"])
    op.create_index(
        "ix_held_hints_expiry", "held_hints", ["expires_at"], postgresql_where=sa.text("expires_at IS NOT NULL")
    )
    op.create_table(
        "queue_counts",
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("ready", sa.BigInteger(), nullable=False),
        sa.Column("scheduled", sa.BigInteger(), nullable=False),
        sa.Column("retrying", sa.BigInteger(), nullable=False),
        sa.Column("running", sa.BigInteger(), nullable=False),
        sa.Column("dead", sa.BigInteger(), nullable=False),
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("queue", name=op.f("pk_queue_counts")),
    )
    op.create_table(
        "process_reports",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.func.clock_timestamp(), nullable=False),
        sa.Column("acted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("stopped_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.Column("trouble_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("children", sa.Integer(), server_default="1", nullable=False),
        sa.Column("jobs_a_minute", sa.Integer(), server_default="0", nullable=False),
        sa.CheckConstraint("kind IN ('relay', 'worker', 'beat', 'maintenance')", name=op.f("ck_process_reports_kind")),
        sa.CheckConstraint(
            "(trouble IS NULL) = (trouble_since IS NULL)", name=op.f("ck_process_reports_trouble_has_a_time")
        ),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_process_reports")),
    )
    op.add_column("schedules", sa.Column("from_code", sa.Boolean(), server_default=sa.text("false"), nullable=False))
    op.add_column("schedules", sa.Column("changed_by", sa.Text(), nullable=True))
    op.execute("UPDATE schedules SET from_code = true WHERE name = 'aggregate-hour'")
    op.add_column("fires", sa.Column("cause", sa.Text(), server_default="due", nullable=False))
    op.create_check_constraint(op.f("ck_fires_cause"), "fires", "cause IN ('due', 'run', 'backfill')")
    op.create_index(
        "ix_fires_with_a_job", "fires", ["schedule", "fire_at"], postgresql_where=sa.text("job_id IS NOT NULL")
    )


def downgrade() -> None:
    """Take the revision back: held hints return to the outbox, as if no queue had been paused."""
    op.execute(
        "INSERT INTO outbox (job_id, task, queue, due_at, alone, revivals) "
        "SELECT job_id, task, queue, due_at, alone, revivals FROM held_hints ORDER BY due_at, job_id"
    )
    op.drop_index("ix_fires_with_a_job", table_name="fires")
    op.drop_constraint(op.f("ck_fires_cause"), "fires")
    op.drop_column("fires", "cause")
    op.drop_column("schedules", "changed_by")
    op.drop_column("schedules", "from_code")
    op.drop_table("process_reports")
    op.drop_table("queue_counts")
    op.drop_table("held_hints")
    op.drop_table("queue_controls")
