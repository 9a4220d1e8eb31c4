"""Tables of the core, as the last revision before the plugins left them."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "core_base"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    """Apply the revision."""
    op.create_table(
        "audit_log",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("actor", sa.Text(), nullable=False),
        sa.Column("action", sa.Text(), nullable=False),
        sa.Column("subject", sa.Text(), nullable=False),
        sa.Column("details", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_audit_log")),
        schema="gristmill",
    )
    op.create_index("ix_audit_log_subject", "audit_log", ["subject", "id"], unique=False, schema="gristmill")
    op.create_table(
        "feature_flags",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("rules", postgresql.JSONB(astext_type=sa.Text()), server_default="{}", nullable=False),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("updated_by", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_feature_flags")),
        schema="gristmill",
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
        schema="gristmill",
    )
    op.create_index("ix_held_hints_due", "held_hints", ["queue", "due_at", "job_id"], unique=False, schema="gristmill")
    op.create_index(
        "ix_held_hints_expiry",
        "held_hints",
        ["expires_at"],
        unique=False,
        schema="gristmill",
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.create_table(
        "idempotency_keys",
        sa.Column("producer_id", sa.Uuid(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("body_hash", sa.Text(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("run_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("job_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("duplicate", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.PrimaryKeyConstraint("producer_id", "key", name=op.f("pk_idempotency_keys")),
        schema="gristmill",
    )
    op.create_index("ix_idempotency_keys_expiry", "idempotency_keys", ["expires_at"], unique=False, schema="gristmill")
    op.create_table(
        "jobs",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("args", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("priority", sa.Text(), server_default="normal", nullable=False),
        sa.Column("attempt", sa.Integer(), server_default="0", nullable=False),
        sa.Column("max_attempts", sa.Integer(), nullable=False),
        sa.Column("run_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("cancel_requested_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("watched_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("result", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("unique_key", sa.Text(), nullable=True),
        sa.Column("callback_url", sa.Text(), nullable=True),
        sa.Column("tags", postgresql.ARRAY(sa.Text()), server_default="{}", nullable=False),
        sa.Column("parent_id", sa.Uuid(), nullable=True),
        sa.Column("producer_id", sa.Uuid(), nullable=True),
        sa.Column("traceparent", sa.Text(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("(state = 'running') = (lease_until IS NOT NULL)", name=op.f("ck_jobs_running_has_a_lease")),
        sa.CheckConstraint(
            "(state IN ('succeeded', 'dead', 'cancelled')) = (finished_at IS NOT NULL)",
            name=op.f("ck_jobs_final_has_an_end"),
        ),
        sa.CheckConstraint("priority IN ('normal', 'high')", name=op.f("ck_jobs_priority")),
        sa.CheckConstraint(
            "state IN ('scheduled', 'queued', 'running', 'retrying', 'succeeded', 'dead', 'cancelled')",
            name=op.f("ck_jobs_state"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_jobs")),
        schema="gristmill",
    )
    op.create_index(
        "ix_jobs_dead",
        "jobs",
        ["finished_at"],
        unique=False,
        schema="gristmill",
        postgresql_where=sa.text("state = 'dead'"),
    )
    op.create_index(
        "ix_jobs_ended_producer",
        "jobs",
        ["producer_id", "id"],
        unique=False,
        schema="gristmill",
        postgresql_where=sa.text("producer_id IS NOT NULL AND state IN ('succeeded', 'dead', 'cancelled')"),
    )
    op.create_index(
        "ix_jobs_ended_queue",
        "jobs",
        ["queue", "id"],
        unique=False,
        schema="gristmill",
        postgresql_where=sa.text("state IN ('succeeded', 'dead', 'cancelled')"),
    )
    op.create_index(
        "ix_jobs_ended_tags",
        "jobs",
        ["tags"],
        unique=False,
        schema="gristmill",
        postgresql_using="gin",
        postgresql_where=sa.text("tags <> '{}' AND state IN ('succeeded', 'dead', 'cancelled')"),
    )
    op.create_index(
        "ix_jobs_ended_task",
        "jobs",
        ["task", "id"],
        unique=False,
        schema="gristmill",
        postgresql_where=sa.text("state IN ('succeeded', 'dead', 'cancelled')"),
    )
    op.create_index(
        "ix_jobs_lease",
        "jobs",
        ["lease_until"],
        unique=False,
        schema="gristmill",
        postgresql_where=sa.text("state = 'running'"),
    )
    op.create_index(
        "ix_jobs_live",
        "jobs",
        ["queue", "state", "run_at"],
        unique=False,
        schema="gristmill",
        postgresql_where=sa.text("state IN ('scheduled', 'queued', 'running', 'retrying')"),
    )
    op.create_index(
        "ix_jobs_parent",
        "jobs",
        ["parent_id"],
        unique=False,
        schema="gristmill",
        postgresql_where=sa.text("parent_id IS NOT NULL"),
    )
    op.create_index(
        "ix_jobs_producer_state",
        "jobs",
        ["producer_id", "state", "id"],
        unique=False,
        schema="gristmill",
        postgresql_where=sa.text("producer_id IS NOT NULL AND state <> 'succeeded'"),
    )
    op.create_index(
        "ix_jobs_unsuccessful",
        "jobs",
        ["state", "id"],
        unique=False,
        schema="gristmill",
        postgresql_where=sa.text("state IN ('dead', 'cancelled')"),
    )
    op.create_index(
        "uq_jobs_unique_key",
        "jobs",
        ["task", "unique_key", "producer_id"],
        unique=True,
        schema="gristmill",
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text("unique_key IS NOT NULL AND state IN ('scheduled', 'queued', 'running', 'retrying')"),
    )
    op.create_table(
        "outbox",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("due_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("alone", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("revivals", sa.Integer(), server_default="0", nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_outbox")),
        schema="gristmill",
        postgresql_with={
            "autovacuum_vacuum_scale_factor": "0",
            "autovacuum_vacuum_threshold": "5000",
            "autovacuum_vacuum_cost_delay": "0",
        },
    )
    op.create_index("ix_outbox_due", "outbox", ["due_at", "job_id"], unique=False, schema="gristmill")
    op.create_table(
        "process_reports",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("queue", sa.Text(), nullable=True),
        sa.Column(
            "started_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("seen_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
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
        schema="gristmill",
    )
    op.create_table(
        "producers",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", postgresql.ARRAY(sa.Text()), nullable=False),
        sa.Column("allowed_tasks", postgresql.ARRAY(sa.Text()), nullable=True),
        sa.Column("quota", sa.Integer(), nullable=True),
        sa.Column("rate", sa.Double(), nullable=True),
        sa.Column("burst", sa.Integer(), nullable=True),
        sa.Column("sees_payloads", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("disabled_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("burst IS NULL OR (burst > 0 AND rate IS NOT NULL)", name=op.f("ck_producers_burst")),
        sa.CheckConstraint("quota > 0", name=op.f("ck_producers_quota")),
        sa.CheckConstraint("rate > 0", name=op.f("ck_producers_rate")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_producers")),
        sa.UniqueConstraint("name", name=op.f("uq_producers_name")),
        schema="gristmill",
    )
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
        schema="gristmill",
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
        schema="gristmill",
    )
    op.create_table(
        "schedules",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("cron", sa.Text(), nullable=True),
        sa.Column("every", sa.Double(), nullable=True),
        sa.Column("timezone", sa.Text(), server_default="UTC", nullable=False),
        sa.Column("task", sa.Text(), nullable=False),
        sa.Column("args", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("catch_up", sa.Text(), server_default="last", nullable=False),
        sa.Column("overlap", sa.Text(), server_default="allow", nullable=False),
        sa.Column("enabled", sa.Boolean(), server_default=sa.text("true"), nullable=False),
        sa.Column("next_fire_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("from_code", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("changed_by", sa.Text(), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column(
            "updated_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("catch_up IN ('none', 'last', 'all')", name=op.f("ck_schedules_catch_up")),
        sa.CheckConstraint("overlap IN ('skip', 'allow')", name=op.f("ck_schedules_overlap")),
        sa.CheckConstraint("(cron IS NULL) <> (every IS NULL)", name=op.f("ck_schedules_cron_or_every")),
        sa.CheckConstraint("every >= 1", name=op.f("ck_schedules_every_second_at_most")),
        sa.PrimaryKeyConstraint("name", name=op.f("pk_schedules")),
        schema="gristmill",
    )
    op.create_index(
        "ix_schedules_due",
        "schedules",
        ["next_fire_at"],
        unique=False,
        schema="gristmill",
        postgresql_where=sa.text("enabled"),
    )
    op.create_table(
        "api_keys",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("producer_id", sa.Uuid(), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["producer_id"], ["gristmill.producers.id"], name=op.f("fk_api_keys_producer_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_api_keys")),
        schema="gristmill",
    )
    op.create_index("ix_api_keys_producer", "api_keys", ["producer_id"], unique=False, schema="gristmill")
    op.create_table(
        "attempts",
        sa.Column("job_id", sa.Uuid(), nullable=False),
        sa.Column("attempt", sa.Integer(), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.Column("worker", sa.Text(), nullable=True),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False),
        sa.Column("error_type", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("traceback", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "outcome IN ('failed', 'lost', 'snoozed', 'given_back', 'cancelled')", name=op.f("ck_attempts_outcome")
        ),
        sa.ForeignKeyConstraint(["job_id"], ["gristmill.jobs.id"], name=op.f("fk_attempts_job_id"), ondelete="CASCADE"),
        sa.PrimaryKeyConstraint("job_id", "attempt", name=op.f("pk_attempts")),
        schema="gristmill",
    )
    op.create_table(
        "dead_letters",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("task", sa.Text(), nullable=True),
        sa.Column("queue", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=False),
        sa.Column("error_type", sa.Text(), nullable=True),
        sa.Column("error_code", sa.Text(), nullable=True),
        sa.Column("error_message", sa.Text(), nullable=True),
        sa.Column("traceback", sa.Text(), nullable=True),
        sa.Column("fingerprint", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default="0", nullable=False),
        sa.Column("raw_body", sa.LargeBinary(), nullable=True),
        sa.Column("broker", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("resolution", sa.Text(), nullable=True),
        sa.Column("resolved_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("resolved_by", sa.Text(), nullable=True),
        sa.Column("note", sa.Text(), nullable=True),
        sa.CheckConstraint("resolution IN ('redriven', 'discarded')", name=op.f("ck_dead_letters_resolution")),
        sa.CheckConstraint(
            "(resolution IS NULL) = (resolved_at IS NULL)", name=op.f("ck_dead_letters_resolved_has_a_time")
        ),
        sa.ForeignKeyConstraint(
            ["job_id"], ["gristmill.jobs.id"], name=op.f("fk_dead_letters_job_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_dead_letters")),
        schema="gristmill",
    )
    op.create_index("ix_dead_letters_age", "dead_letters", ["created_at", "id"], unique=False, schema="gristmill")
    op.create_index("ix_dead_letters_job", "dead_letters", ["job_id"], unique=False, schema="gristmill")
    op.create_index(
        "ix_dead_letters_open",
        "dead_letters",
        ["queue", "task", "fingerprint"],
        unique=False,
        schema="gristmill",
        postgresql_where=sa.text("resolution IS NULL"),
    )
    op.create_index(
        "ix_dead_letters_open_age",
        "dead_letters",
        ["created_at", "id"],
        unique=False,
        schema="gristmill",
        postgresql_where=sa.text("resolution IS NULL"),
    )
    op.create_index(
        "ix_dead_letters_open_reason",
        "dead_letters",
        ["reason", "created_at", "id"],
        unique=False,
        schema="gristmill",
        postgresql_where=sa.text("resolution IS NULL"),
    )
    op.create_index(
        "ix_dead_letters_resolved",
        "dead_letters",
        ["resolution", "created_at", "id"],
        unique=False,
        schema="gristmill",
        postgresql_where=sa.text("resolution IS NOT NULL"),
    )
    op.create_index(
        "uq_dead_letters_open_job",
        "dead_letters",
        ["job_id"],
        unique=True,
        schema="gristmill",
        postgresql_where=sa.text("resolution IS NULL"),
    )
    op.create_table(
        "fires",
        sa.Column("schedule", sa.Text(), nullable=False),
        sa.Column("fire_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("job_id", sa.Uuid(), nullable=True),
        sa.Column("cause", sa.Text(), server_default="due", nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.CheckConstraint("cause IN ('due', 'run', 'backfill')", name=op.f("ck_fires_cause")),
        sa.ForeignKeyConstraint(
            ["schedule"], ["gristmill.schedules.name"], name=op.f("fk_fires_schedule"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("schedule", "fire_at", name=op.f("pk_fires")),
        schema="gristmill",
    )
    op.create_index(
        "ix_fires_with_a_job",
        "fires",
        ["schedule", "fire_at"],
        unique=False,
        schema="gristmill",
        postgresql_where=sa.text("job_id IS NOT NULL"),
    )
    op.create_table(
        "webhook_secrets",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("producer_id", sa.Uuid(), nullable=False),
        sa.Column("sealed", sa.Text(), nullable=False),
        sa.Column(
            "created_at", sa.DateTime(timezone=True), server_default=sa.text("clock_timestamp()"), nullable=False
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.ForeignKeyConstraint(
            ["producer_id"], ["gristmill.producers.id"], name=op.f("fk_webhook_secrets_producer_id"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_webhook_secrets")),
        schema="gristmill",
    )
    op.create_index("ix_webhook_secrets_producer", "webhook_secrets", ["producer_id"], unique=False, schema="gristmill")
    op.create_index(
        "uq_webhook_secrets_current",
        "webhook_secrets",
        ["producer_id"],
        unique=True,
        schema="gristmill",
        postgresql_where=sa.text("expires_at IS NULL"),
    )


def downgrade() -> None:
    """Take the revision back."""
    op.drop_index(
        "uq_webhook_secrets_current",
        table_name="webhook_secrets",
        schema="gristmill",
        postgresql_where=sa.text("expires_at IS NULL"),
    )
    op.drop_index("ix_webhook_secrets_producer", table_name="webhook_secrets", schema="gristmill")
    op.drop_table("webhook_secrets", schema="gristmill")
    op.drop_index(
        "ix_fires_with_a_job", table_name="fires", schema="gristmill", postgresql_where=sa.text("job_id IS NOT NULL")
    )
    op.drop_table("fires", schema="gristmill")
    op.drop_index(
        "uq_dead_letters_open_job",
        table_name="dead_letters",
        schema="gristmill",
        postgresql_where=sa.text("resolution IS NULL"),
    )
    op.drop_index(
        "ix_dead_letters_resolved",
        table_name="dead_letters",
        schema="gristmill",
        postgresql_where=sa.text("resolution IS NOT NULL"),
    )
    op.drop_index(
        "ix_dead_letters_open_reason",
        table_name="dead_letters",
        schema="gristmill",
        postgresql_where=sa.text("resolution IS NULL"),
    )
    op.drop_index(
        "ix_dead_letters_open_age",
        table_name="dead_letters",
        schema="gristmill",
        postgresql_where=sa.text("resolution IS NULL"),
    )
    op.drop_index(
        "ix_dead_letters_open",
        table_name="dead_letters",
        schema="gristmill",
        postgresql_where=sa.text("resolution IS NULL"),
    )
    op.drop_index("ix_dead_letters_job", table_name="dead_letters", schema="gristmill")
    op.drop_index("ix_dead_letters_age", table_name="dead_letters", schema="gristmill")
    op.drop_table("dead_letters", schema="gristmill")
    op.drop_table("attempts", schema="gristmill")
    op.drop_index("ix_api_keys_producer", table_name="api_keys", schema="gristmill")
    op.drop_table("api_keys", schema="gristmill")
    op.drop_index("ix_schedules_due", table_name="schedules", schema="gristmill", postgresql_where=sa.text("enabled"))
    op.drop_table("schedules", schema="gristmill")
    op.drop_table("queue_counts", schema="gristmill")
    op.drop_table("queue_controls", schema="gristmill")
    op.drop_table("producers", schema="gristmill")
    op.drop_table("process_reports", schema="gristmill")
    op.drop_index("ix_outbox_due", table_name="outbox", schema="gristmill")
    op.drop_table("outbox", schema="gristmill")
    op.drop_index(
        "uq_jobs_unique_key",
        table_name="jobs",
        schema="gristmill",
        postgresql_nulls_not_distinct=True,
        postgresql_where=sa.text("unique_key IS NOT NULL AND state IN ('scheduled', 'queued', 'running', 'retrying')"),
    )
    op.drop_index(
        "ix_jobs_unsuccessful",
        table_name="jobs",
        schema="gristmill",
        postgresql_where=sa.text("state IN ('dead', 'cancelled')"),
    )
    op.drop_index(
        "ix_jobs_producer_state",
        table_name="jobs",
        schema="gristmill",
        postgresql_where=sa.text("producer_id IS NOT NULL AND state <> 'succeeded'"),
    )
    op.drop_index(
        "ix_jobs_parent", table_name="jobs", schema="gristmill", postgresql_where=sa.text("parent_id IS NOT NULL")
    )
    op.drop_index(
        "ix_jobs_live",
        table_name="jobs",
        schema="gristmill",
        postgresql_where=sa.text("state IN ('scheduled', 'queued', 'running', 'retrying')"),
    )
    op.drop_index("ix_jobs_lease", table_name="jobs", schema="gristmill", postgresql_where=sa.text("state = 'running'"))
    op.drop_index(
        "ix_jobs_ended_task",
        table_name="jobs",
        schema="gristmill",
        postgresql_where=sa.text("state IN ('succeeded', 'dead', 'cancelled')"),
    )
    op.drop_index(
        "ix_jobs_ended_tags",
        table_name="jobs",
        schema="gristmill",
        postgresql_using="gin",
        postgresql_where=sa.text("tags <> '{}' AND state IN ('succeeded', 'dead', 'cancelled')"),
    )
    op.drop_index(
        "ix_jobs_ended_queue",
        table_name="jobs",
        schema="gristmill",
        postgresql_where=sa.text("state IN ('succeeded', 'dead', 'cancelled')"),
    )
    op.drop_index(
        "ix_jobs_ended_producer",
        table_name="jobs",
        schema="gristmill",
        postgresql_where=sa.text("producer_id IS NOT NULL AND state IN ('succeeded', 'dead', 'cancelled')"),
    )
    op.drop_index("ix_jobs_dead", table_name="jobs", schema="gristmill", postgresql_where=sa.text("state = 'dead'"))
    op.drop_table("jobs", schema="gristmill")
    op.drop_index("ix_idempotency_keys_expiry", table_name="idempotency_keys", schema="gristmill")
    op.drop_table("idempotency_keys", schema="gristmill")
    op.drop_index(
        "ix_held_hints_expiry",
        table_name="held_hints",
        schema="gristmill",
        postgresql_where=sa.text("expires_at IS NOT NULL"),
    )
    op.drop_index("ix_held_hints_due", table_name="held_hints", schema="gristmill")
    op.drop_table("held_hints", schema="gristmill")
    op.drop_table("feature_flags", schema="gristmill")
    op.drop_index("ix_audit_log_subject", table_name="audit_log", schema="gristmill")
    op.drop_table("audit_log", schema="gristmill")
