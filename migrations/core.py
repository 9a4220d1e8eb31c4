"""Tables of the core, imported so that the metadata of its chain is complete."""

from gristmill.shared.audit.models import AuditEntry
from gristmill.shared.database.columns import Base
from gristmill.shared.dead_letters.models import DeadLetter
from gristmill.shared.enqueuing.models import DeclaredTask
from gristmill.shared.jobs.models import Attempt, IdempotencyKey, Job, Outbox
from gristmill.shared.operating.models import FeatureFlag, HeldHint, ProcessReport, QueueControl, QueueCount
from gristmill.shared.producers.models import ApiKey, Producer, WebhookSecret
from gristmill.shared.schedules.models import Fire, Schedule

__all__ = [
    "ApiKey",
    "Attempt",
    "AuditEntry",
    "Base",
    "DeadLetter",
    "DeclaredTask",
    "FeatureFlag",
    "Fire",
    "HeldHint",
    "IdempotencyKey",
    "Job",
    "Outbox",
    "ProcessReport",
    "Producer",
    "QueueControl",
    "QueueCount",
    "Schedule",
    "WebhookSecret",
]
