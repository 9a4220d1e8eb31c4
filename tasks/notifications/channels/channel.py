"""The interface of a channel: a name, and a method that delivers one notice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

if TYPE_CHECKING:
    from gristmill.shared.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """The message to deliver. `id` is that of the job: the same in every attempt, so receivers recognise a repeat."""

    id: UUID
    title: str
    body: str
    data: Mapping[str, Any]
    user_id: UUID | None
    webhook_url: str | None


class Channel(Protocol):
    """A way to reach a recipient. It holds no transaction, and ends within the time limit of `notification.send`."""

    @property
    def name(self) -> str:
        """The name that producers use."""

    @property
    def needs(self) -> str:
        """The argument without which this channel cannot deliver."""

    def target(self, notice: Notice) -> str | None:
        """Return the address of the notice for the ledger, or None when it is the user."""

    def deliver(self, notice: Notice, settings: Settings) -> str:
        """Deliver, and return the reply of the receiver.

        Raises:
            TransientError: a later attempt may succeed.
            PermanentError: the receiver, or a rule of the platform, refused the notice for good.
        """
