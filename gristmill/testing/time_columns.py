"""Columns that hold times of the platform, which move when time moves in a test."""

from __future__ import annotations

from typing import Final

# Only the database's clock decides, and it cannot be set. So everything that lives is made older instead.
TIME_COLUMNS: Final[dict[str, tuple[str, ...]]] = {
    "api_keys": ("created_at", "expires_at", "last_used_at", "revoked_at"),
    "attempts": ("ended_at", "started_at"),
    "audit_log": ("at",),
    "dead_letters": ("created_at", "resolved_at"),
    "demo_effects": ("at",),
    "email_messages": ("created_at", "sent_at"),
    "feature_flags": ("updated_at",),
    "held_hints": ("due_at", "expires_at"),
    "idempotency_keys": ("created_at", "expires_at", "job_expires_at", "run_at"),
    "jobs": (
        "cancel_requested_at",
        "created_at",
        "expires_at",
        "finished_at",
        "lease_until",
        "run_at",
        "started_at",
        "watched_until",
    ),
    "notifications": ("created_at", "delivered_at", "read_at"),
    "one_time_tokens": ("created_at", "expires_at", "used_at"),
    "outbox": ("due_at",),
    "process_reports": ("acted_at", "seen_at", "started_at", "stopped_at", "trouble_since"),
    "producers": ("created_at", "disabled_at"),
    "queue_controls": ("paused_at", "released_at"),
    "queue_counts": ("counted_at",),
    "sessions": ("created_at", "expires_at", "revoked_at"),
    "streams": ("created_at", "updated_at"),
    "tasks": ("changed_at", "declared_at"),
    "user_profiles": ("updated_at",),
    "users": ("created_at", "deleted_at", "email_verified_at", "updated_at"),
    "webhook_secrets": ("created_at", "expires_at"),
}
# These name instants of the world, or are read by the clock of the schedules, which a test has ahead.
NOT_MOVED: Final = frozenset(
    {
        "aggregated_stats.bucket",
        "aggregated_stats.computed_at",
        "fires.created_at",
        "fires.fire_at",
        "measurements.occurred_at",
        "records.created_at",
        "records.occurred_at",
        "records.processed_at",
        "schedules.created_at",
        "schedules.next_fire_at",
        "schedules.updated_at",
    }
)
