"""What the platform does: importing this registers every task; one that is not named here does not exist."""

from tasks.aggregate_stats import aggregate_hour
from tasks.create_user import create_user
from tasks.deliver_webhook import deliver_webhook
from tasks.demo import crash, echo, effect, fail, linger, sleep
from tasks.notify_in_app import notify_in_app
from tasks.process_record import process_record
from tasks.send_email import send_email
from tasks.send_notification import send_notification
from tasks.send_verification import send_verification

__all__ = [
    "aggregate_hour",
    "crash",
    "create_user",
    "deliver_webhook",
    "echo",
    "effect",
    "fail",
    "linger",
    "notify_in_app",
    "process_record",
    "send_email",
    "send_notification",
    "send_verification",
    "sleep",
]
