"""Every table of the platform, so that one import knows the whole schema."""

from shared.models.base import Base
from shared.models.dead_letters import DeadLetter
from shared.models.flags import DemoEffect, FeatureFlag
from shared.models.jobs import Attempt, IdempotencyKey, Job, Outbox
from shared.models.messages import EmailMessageRow, Notification
from shared.models.people import OneTimeToken, User, UserProfile, UserSession
from shared.models.processes import ProcessReport
from shared.models.producers import ApiKey, AuditEntry, Producer, WebhookSecret
from shared.models.queues import HeldHint, QueueControl, QueueCount
from shared.models.records import AggregatedStat, Measurement, Record, Stream
from shared.models.schedules import Fire, Schedule

__all__ = [
    "AggregatedStat",
    "ApiKey",
    "Attempt",
    "AuditEntry",
    "Base",
    "DeadLetter",
    "DemoEffect",
    "EmailMessageRow",
    "FeatureFlag",
    "Fire",
    "HeldHint",
    "IdempotencyKey",
    "Job",
    "Measurement",
    "Notification",
    "OneTimeToken",
    "Outbox",
    "ProcessReport",
    "Producer",
    "QueueControl",
    "QueueCount",
    "Record",
    "Schedule",
    "Stream",
    "User",
    "UserProfile",
    "UserSession",
    "WebhookSecret",
]
