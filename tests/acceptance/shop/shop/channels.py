"""A channel of the shop."""

from pathlib import Path
from typing import Any


class Sms:
    """Writes the text into a file of the working folder."""

    name = "sms"
    needs = "user_id"

    def target(self, notice: Any) -> str | None:
        """Return None: the row names the user."""
        return None

    def deliver(self, notice: Any, settings: Any) -> str:
        """Write it."""
        Path("sms.txt").write_text(notice.title, encoding="utf-8")
        return "written"
