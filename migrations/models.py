"""Import the tables of the whole platform, so that the metadata of `Base` is complete."""

from gristmill.shared.audit.models import AuditEntry
from gristmill.shared.database.columns import Base
from gristmill.shared.dead_letters.models import DeadLetter
from gristmill.shared.enqueuing.models import DeclaredTask
from gristmill.shared.jobs.models import Attempt, IdempotencyKey, Job, Outbox
from gristmill.shared.operating.models import FeatureFlag, HeldHint, ProcessReport, QueueControl, QueueCount
from gristmill.shared.people.models import OneTimeToken, User, UserProfile, UserSession
from gristmill.shared.producers.models import ApiKey, Producer, WebhookSecret
from gristmill.shared.schedules.models import Fire, Schedule
from gristmill.tasks.demo.models import DemoEffect
from gristmill.tasks.mail.models import EmailMessageRow
from gristmill.tasks.notifications.models import Notification
from gristmill.tasks.records.models import AggregatedStat, Measurement, Record, Stream

__all__ = [
    "AggregatedStat",
    "ApiKey",
    "Attempt",
    "AuditEntry",
    "Base",
    "DeadLetter",
    "DeclaredTask",
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
