"""The plugin of mail: one task that sends a mail, from a template of any plugin or with its own text."""

from __future__ import annotations

from typing import Final

from gristmill.shared.plugins.plugin import Plugin

plugin: Final = Plugin(
    name="mail",
    tasks=["gristmill.tasks.mail.send_email"],
    templates="gristmill.tasks.mail",
    metadata="gristmill.tasks.mail.models:MailTables.metadata",
    migrations="gristmill.tasks.mail:migrations",
)
