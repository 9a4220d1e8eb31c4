"""Register every task of the platform: a task that is not imported here does not exist."""

from gristmill.tasks.accounts.create_user import create_user
from gristmill.tasks.accounts.send_verification import send_verification
from gristmill.tasks.callbacks.deliver_webhook import deliver_webhook
from gristmill.tasks.demo.crash import crash
from gristmill.tasks.demo.echo import echo
from gristmill.tasks.demo.effect import effect
from gristmill.tasks.demo.fail import fail
from gristmill.tasks.demo.linger import linger
from gristmill.tasks.demo.sleep import sleep
from gristmill.tasks.mail.send_email import send_email
from gristmill.tasks.notifications.notify_in_app import notify_in_app
from gristmill.tasks.notifications.send_notification import send_notification
from gristmill.tasks.records.aggregate_hour import aggregate_hour
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
