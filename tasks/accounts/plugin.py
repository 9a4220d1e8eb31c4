"""The plugin of accounts: registration, verification, sign-in."""

from __future__ import annotations

from typing import Final

from gristmill.shared.plugins.plugin import Plugin

plugin: Final = Plugin(
    name="accounts",
    tasks=["gristmill.tasks.accounts.create_user", "gristmill.tasks.accounts.send_verification"],
    templates="gristmill.tasks.accounts",
    template_values={"verify_email.verification_link": "gristmill.tasks.accounts.verification_link:verification_link"},
    routes=["gristmill.ingress.routes.auth:blueprint", "gristmill.ingress.routes.users:blueprint"],
    prune=["gristmill.shared.people.queries_sessions:prune_sessions"],
    requires=["mail"],
    metadata="gristmill.shared.people.models:AccountTables.metadata",
    migrations="gristmill.tasks.accounts:migrations",
)
