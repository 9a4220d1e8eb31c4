"""What the platform does: importing this registers every task; one that is not named here does not exist."""

from gristmill.tasks.accounts.create_user import create_user
from gristmill.tasks.accounts.send_verification import send_verification
from gristmill.tasks.callbacks.deliver_webhook import deliver_webhook
from gristmill.tasks.demo.tasks import crash, echo, effect, fail, linger, sleep
from gristmill.tasks.mail.send_email import send_email
from gristmill.tasks.notifications.notify_in_app import notify_in_app
from gristmill.tasks.notifications.send_notification import send_notification
from gristmill.tasks.records.aggregate_stats import aggregate_hour
from gristmill.tasks.records.process_record import process_record

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
