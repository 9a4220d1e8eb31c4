"""The tables of jobs, attempts, the outbox and idempotency keys."""

from __future__ import annotations

from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, CheckConstraint, ForeignKey, Identity, Index, text
from sqlalchemy.orm import Mapped, mapped_column

from gristmill.shared.database.columns import Base, CreatedAt, PrimaryKey
from gristmill.shared.states import FINAL, LIVE, AttemptOutcome, State, sql_list

_ENDED = f"state IN ({sql_list(FINAL)})"
_UNSUCCESSFUL = f"state IN ({sql_list(FINAL - {State.SUCCEEDED})})"
_LIVE = f"state IN ({sql_list(LIVE)})"


def one_of(column: str, values: type[State | AttemptOutcome]) -> str:
    """Return the CHECK constraint that `column` holds one of the values of an enum."""
    return f"{column} IN ({', '.join(repr(str(value)) for value in values)})"


class Job(Base):
    """A request to run a task once."""

    __tablename__ = "jobs"

    id: Mapped[PrimaryKey]
    task: Mapped[str]
    queue: Mapped[str]
    args: Mapped[dict[str, Any]]
    state: Mapped[str]
    priority: Mapped[str] = mapped_column(server_default="normal")
    attempt: Mapped[int] = mapped_column(server_default="0")
    max_attempts: Mapped[int]
    run_at: Mapped[datetime]
    expires_at: Mapped[datetime | None]
    lease_until: Mapped[datetime | None]
    cancel_requested_at: Mapped[datetime | None]
    watched_until: Mapped[datetime | None]
    worker: Mapped[str | None]
    result: Mapped[Any | None]
    unique_key: Mapped[str | None]
    callback_url: Mapped[str | None]
    tags: Mapped[list[str]] = mapped_column(server_default="{}")
    parent_id: Mapped[UUID | None]
    producer_id: Mapped[UUID | None]
    traceparent: Mapped[str | None]
    created_at: Mapped[CreatedAt]
    started_at: Mapped[datetime | None]
    finished_at: Mapped[datetime | None]

    __table_args__ = (
        CheckConstraint(one_of("state", State), name="state"),
        CheckConstraint("priority IN ('normal', 'high')", name="priority"),
        CheckConstraint("(state = 'running') = (lease_until IS NOT NULL)", name="running_has_a_lease"),
        CheckConstraint(f"({_ENDED}) = (finished_at IS NOT NULL)", name="final_has_an_end"),
        Index("ix_jobs_live", "queue", "state", "run_at", postgresql_where=text(_LIVE)),
        Index("ix_jobs_dead", "finished_at", postgresql_where=text("state = 'dead'")),
        Index("ix_jobs_lease", "lease_until", postgresql_where=text("state = 'running'")),
        Index(
            "uq_jobs_unique_key",
            "task",
            "unique_key",
            "producer_id",
            unique=True,
            postgresql_nulls_not_distinct=True,
            postgresql_where=text(f"unique_key IS NOT NULL AND {_LIVE}"),
        ),
        # Used by lists, and by the count of a producer's jobs in flight for its quota.
        Index(
            "ix_jobs_producer_state",
            "producer_id",
            "state",
            "id",
            postgresql_where=text("producer_id IS NOT NULL AND state <> 'succeeded'"),
        ),
        Index("ix_jobs_parent", "parent_id", postgresql_where=text("parent_id IS NOT NULL")),
        # For lists. Only ended jobs: so a job enters the index once, by its final move, and not by every move.
        Index("ix_jobs_unsuccessful", "state", "id", postgresql_where=text(_UNSUCCESSFUL)),
        Index(
            "ix_jobs_ended_producer",
            "producer_id",
            "id",
            postgresql_where=text(f"producer_id IS NOT NULL AND {_ENDED}"),
        ),
        Index("ix_jobs_ended_task", "task", "id", postgresql_where=text(_ENDED)),
        Index("ix_jobs_ended_queue", "queue", "id", postgresql_where=text(_ENDED)),
        Index(
            "ix_jobs_ended_tags", "tags", postgresql_using="gin", postgresql_where=text(f"tags <> '{{}}' AND {_ENDED}")
        ),
    )


class Attempt(Base):
    """An attempt that did not succeed. The one that did is described by the row of the job."""

    __tablename__ = "attempts"

    job_id: Mapped[UUID] = mapped_column(ForeignKey("gristmill.jobs.id", ondelete="CASCADE"), primary_key=True)
    attempt: Mapped[int] = mapped_column(primary_key=True)
    outcome: Mapped[str]
    worker: Mapped[str | None]
    started_at: Mapped[datetime | None]
    ended_at: Mapped[CreatedAt]
    error_type: Mapped[str | None]
    error_code: Mapped[str | None]
    error_message: Mapped[str | None]
    traceback: Mapped[str | None]

    __table_args__ = (CheckConstraint(one_of("outcome", AttemptOutcome), name="outcome"),)


class Outbox(Base):
    """A hint that is still to be published, and the time it is due."""

    __tablename__ = "outbox"

    id: Mapped[int] = mapped_column(BigInteger, Identity(always=True), primary_key=True)
    job_id: Mapped[UUID]
    task: Mapped[str]
    queue: Mapped[str]
    due_at: Mapped[datetime]
    # Never in a bundle: after a lost worker, any job of its bundle may be the one that kills workers.
    alone: Mapped[bool] = mapped_column(server_default=text("false"))
    # The number of times that the broker gave up on a hint of this job while the job was live.
    revivals: Mapped[int] = mapped_column(server_default="0")

    __table_args__ = (
        # By job and not by id: a batch of thousands is due at one time, and each of its jobs looks up its own hint.
        Index("ix_outbox_due", "due_at", "job_id"),
        # Rows live for milliseconds: vacuum by number of rows, not by share of the table, and without pauses.
        {
            "postgresql_with": {
                "autovacuum_vacuum_scale_factor": "0",
                "autovacuum_vacuum_threshold": "5000",
                "autovacuum_vacuum_cost_delay": "0",
            }
        },
    )


class IdempotencyKey(Base):
    """The job that an Idempotency-Key of a producer refers to, and the answer that was given, for 24 hours."""

    __tablename__ = "idempotency_keys"

    producer_id: Mapped[UUID] = mapped_column(primary_key=True)
    key: Mapped[str] = mapped_column(primary_key=True)
    body_hash: Mapped[str]
    job_id: Mapped[UUID]
    state: Mapped[str]
    run_at: Mapped[datetime]
    # The job's expiry in the answer: a redrive sets a new one.
    job_expires_at: Mapped[datetime | None]
    created_at: Mapped[CreatedAt]
    expires_at: Mapped[datetime]
    # True when the answer was a live job with the same unique key.
    duplicate: Mapped[bool] = mapped_column(server_default=text("false"))

    __table_args__ = (Index("ix_idempotency_keys_expiry", "expires_at"),)
