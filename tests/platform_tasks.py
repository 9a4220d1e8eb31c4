"""The tasks of the platform, as attributes; importing this loads all plugins."""

from gristmill.shared.plugins.load import load_plugins

load_plugins()

from gristmill.tasks.accounts.create_user import create_user  # noqa: E402  the plugins come first, as in each process
from gristmill.tasks.accounts.send_verification import send_verification  # noqa: E402
from gristmill.tasks.callbacks.deliver_webhook import deliver_webhook  # noqa: E402
from gristmill.tasks.demo.crash import crash  # noqa: E402
from gristmill.tasks.demo.echo import echo  # noqa: E402
from gristmill.tasks.demo.effect import effect  # noqa: E402
from gristmill.tasks.demo.fail import fail  # noqa: E402
from gristmill.tasks.demo.linger import linger  # noqa: E402
from gristmill.tasks.demo.sleep import sleep  # noqa: E402
from gristmill.tasks.mail.send_email import send_email  # noqa: E402
from gristmill.tasks.notifications.notify_in_app import notify_in_app  # noqa: E402
from gristmill.tasks.notifications.send_notification import send_notification  # noqa: E402
from gristmill.tasks.records.aggregate_hour import aggregate_hour  # noqa: E402
from gristmill.tasks.records.process_record import process_record  # noqa: E402

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
