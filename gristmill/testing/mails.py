"""Catch mail in the process of the test."""

from __future__ import annotations

from email import message_from_bytes, policy
from typing import Any

from aiosmtpd.controller import Controller

from gristmill import ports


class CaughtMail:
    """A mail server on a free port of loopback, which keeps what it is given."""

    def __init__(self) -> None:
        self._mails: list[dict[str, str | None]] = []
        self._controller = Controller(self, hostname=ports.LOOPBACK, port=ports.free_port())

    @property
    def url(self) -> str:
        """The URL to send to: `smtp://…`."""
        return f"smtp://{ports.LOOPBACK}:{self._controller.port}"

    def start(self) -> None:
        """Start it, in a thread."""
        self._controller.start()

    def stop(self) -> None:
        """Stop it."""
        self._controller.stop()

    def take(self) -> list[dict[str, str | None]]:
        """Return the mails that have come, and forget them."""
        mails, self._mails = self._mails, []
        return mails

    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:  # noqa: N802  aiosmtpd's name
        """Keep a mail."""
        message = message_from_bytes(envelope.content, policy=policy.default)
        bodies = {kind: message.get_body((kind,)) for kind in ("plain", "html")}
        parts = {kind: None if body is None else str(body.get_content()) for kind, body in bodies.items()}
        self._mails.append(
            {
                "to": ", ".join(envelope.rcpt_tos),
                "from": message["From"],
                "subject": message["Subject"],
                "text": parts["plain"],
                "html": parts["html"],
            }
        )
        return "250 kept"
