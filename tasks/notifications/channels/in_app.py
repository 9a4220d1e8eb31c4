"""The channel inside the application: its user reads the row of the notice in the ledger."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gristmill.tasks.notifications.channels.channel import Notice

if TYPE_CHECKING:
    from gristmill.shared.settings import Settings


class InApp:
    """The row in the ledger is the delivery."""

    name = "in_app"
    needs = "user_id"

    def target(self, notice: Notice) -> str | None:
        """Return None: the row names the user."""
        del notice
        return None

    def deliver(self, notice: Notice, settings: Settings) -> str:
        """Return that the notice is stored: its row was written before any channel delivered."""
        del notice, settings
        return "stored"
