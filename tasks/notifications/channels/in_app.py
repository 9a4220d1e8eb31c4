"""The channel inside the application: the notice's row in the ledger is what its user reads."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gristmill.tasks.notifications.channels.channel import Notice

if TYPE_CHECKING:
    from gristmill.shared.settings import Settings


class InApp:
    """Delivers by being written down."""

    name = "in_app"
    needs = "user_id"

    def target(self, notice: Notice) -> str | None:
        """Return None: the row names its user."""
        del notice
        return None

    def deliver(self, notice: Notice, settings: Settings) -> str:
        """Return that it is stored: the row was there before any channel delivered."""
        del notice, settings
        return "stored"
