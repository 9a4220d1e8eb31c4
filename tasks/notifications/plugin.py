"""The plugin of notifications: in the application, and on the channels of any plugin."""

from __future__ import annotations

from typing import Final

from gristmill.shared.plugins.plugin import Plugin

plugin: Final = Plugin(
    name="notifications",
    tasks=["gristmill.tasks.notifications.send_notification", "gristmill.tasks.notifications.notify_in_app"],
    channels=[
        "gristmill.tasks.notifications.channels.in_app:InApp",
        "gristmill.tasks.notifications.channels.webhook:Webhook",
    ],
    requires=["accounts"],  # who reads a notification is a user
    metadata="gristmill.tasks.notifications.models:NotificationTables.metadata",
    migrations="gristmill.tasks.notifications:migrations",
)
