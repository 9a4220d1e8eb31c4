"""Principals: whoever was authenticated, and what its scopes allow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from uuid import UUID

ADMIN: Final = "admin"
OPERATOR: Final = "operator"
# What each scope allows its holder to do.
SCOPES: Final = {
    "jobs:read": "see its own jobs and dead letters",
    "jobs:write": "post, cancel and run immediately its own jobs, and create the secret that signs their callbacks",
    "dead_letters:write": "redrive and discard its own dead letters",
    "queues:read": "see the queues",
    "queues:write": "pause and resume queues",
    "schedules:read": "see the schedules",
    "schedules:write": "change and run schedules",
    OPERATOR: "all of the above, on the jobs of every producer",
    ADMIN: "everything, including producers and their keys",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Principal:
    """An authenticated caller: a producer, a person, or an administrator at the command line.

    Attributes:
        name: the name that the audit log records.
        scopes: what the principal may do; see `SCOPES`.
        allowed_tasks: the only tasks whose jobs it may post or schedule; None allows every task.
        sees_payloads: whether arguments and results are shown to it.
    """

    name: str
    scopes: frozenset[str]
    allowed_tasks: frozenset[str] | None = None
    sees_payloads: bool = True

    @property
    def id(self) -> UUID:
        """The id of the producer or user; what the principal creates belongs to it."""
        raise NotImplementedError

    @property
    def credential(self) -> str:
        """The key or role that grants the scopes, as the beginning of a sentence."""
        raise NotImplementedError

    @property
    def is_admin(self) -> bool:
        """True when it may do everything."""
        return ADMIN in self.scopes

    @property
    def sees(self) -> UUID | None:
        """The producer whose jobs it sees: its own id, or None for the jobs of every producer."""
        return None if self.is_admin or OPERATOR in self.scopes else self.id

    def has_one_of(self, scopes: frozenset[str]) -> bool:
        """Return whether it has one of `scopes`; admin includes all of them, operator all but admin."""
        if self.is_admin or not self.scopes.isdisjoint(scopes):
            return True
        return OPERATOR in self.scopes and scopes != {ADMIN}

    def may_post(self, task: str) -> bool:
        """Return whether it may post jobs of `task`."""
        return self.allowed_tasks is None or task in self.allowed_tasks
