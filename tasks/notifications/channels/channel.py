"""What a channel is: a name, and a way to deliver one notice."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

if TYPE_CHECKING:
    from gristmill.shared.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What is to be delivered. `id` is the job's: the same on every attempt, so that a receiver can tell a repeat."""

    id: UUID
    title: str
    body: str
    data: Mapping[str, Any]
    user_id: UUID | None
    webhook_url: str | None


class Channel(Protocol):
    """A way to reach somebody. It holds no transaction, and ends within the time limit of `notification.send`."""

    @property
    def name(self) -> str:
        """The name that producers use."""

    @property
    def needs(self) -> str:
        """The argument without which this channel cannot deliver."""

    def target(self, notice: Notice) -> str | None:
        """Return where the notice goes, for the ledger; None where its user says it."""

    def deliver(self, notice: Notice, settings: Settings) -> str:
        """Deliver, and return what the other side answered.

        Raises:
            TransientError: not now; a later attempt may succeed.
            PermanentError: never; the other side, or a rule of ours, refused it.
        """
