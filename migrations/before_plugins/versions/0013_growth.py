"""Indexes of ended jobs for lists, and an index of hints by their job.

On a table of ten million jobs, each index of `jobs` takes some ten seconds during which no job is accepted. To avoid
that, create the indexes beforehand with CREATE INDEX CONCURRENTLY and the same names: existing ones are left alone.
"""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0013"
down_revision = "0011"
branch_labels = None
depends_on = None

_LIVE = "state IN ('scheduled', 'queued', 'running', 'retrying')"
_ENDED = "state IN ('succeeded', 'dead', 'cancelled')"
_NEW = {
    "ix_jobs_producer_state": (["producer_id", "state", "id"], "producer_id IS NOT NULL AND state <> 'succeeded'"),
    "ix_jobs_unsuccessful": (["state", "id"], "state IN ('dead', 'cancelled')"),
    "ix_jobs_ended_producer": (["producer_id", "id"], f"producer_id IS NOT NULL AND {_ENDED}"),
    "ix_jobs_ended_task": (["task", "id"], _ENDED),
    "ix_jobs_ended_queue": (["queue", "id"], _ENDED),
}
_NEW_FOR_LETTERS = {
    "ix_dead_letters_open_reason": (["reason", "created_at", "id"], "resolution IS NULL"),
    "ix_dead_letters_resolved": (["resolution", "created_at", "id"], "resolution IS NOT NULL"),
}


def upgrade() -> None:
    """Apply the revision."""
    for name, (columns, condition) in _NEW.items():
        op.create_index(name, "jobs", columns, postgresql_where=sa.text(condition), if_not_exists=True)
    op.create_index(
        "ix_jobs_ended_tags",
        "jobs",
        ["tags"],
        postgresql_using="gin",
        postgresql_where=sa.text(f"tags <> '{{}}' AND {_ENDED}"),
        if_not_exists=True,
    )
    for name in ("ix_jobs_in_flight", "ix_jobs_producer", "ix_jobs_tags"):
        op.drop_index(name, table_name="jobs")
    op.drop_index("ix_outbox_due", table_name="outbox")
    op.create_index("ix_outbox_due", "outbox", ["due_at", "job_id"])
    op.create_index("ix_dead_letters_age", "dead_letters", ["created_at", "id"])
    for name, (columns, condition) in _NEW_FOR_LETTERS.items():
        op.create_index(name, "dead_letters", columns, postgresql_where=sa.text(condition))


def downgrade() -> None:
    """Take the revision back."""
    for name in ("ix_dead_letters_age", *_NEW_FOR_LETTERS):
        op.drop_index(name, table_name="dead_letters")
    op.drop_index("ix_outbox_due", table_name="outbox")
    op.create_index("ix_outbox_due", "outbox", ["due_at", "id"])
    for name in ("ix_jobs_ended_tags", *_NEW):
        op.drop_index(name, table_name="jobs")
    has_producer = "producer_id IS NOT NULL"
    op.create_index("ix_jobs_producer", "jobs", ["producer_id", "id"], postgresql_where=sa.text(has_producer))
    op.create_index(
        "ix_jobs_in_flight", "jobs", ["producer_id"], postgresql_where=sa.text(f"{has_producer} AND {_LIVE}")
    )
    op.create_index("ix_jobs_tags", "jobs", ["tags"], postgresql_using="gin", postgresql_where=sa.text("tags <> '{}'"))
