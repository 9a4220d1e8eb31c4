"""The plugin object: everything that one subject brings to the platform."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from gristmill.shared.errors import PluginError
from gristmill.shared.queues import Queue
from gristmill.shared.schedules.declaration import Schedule

_NAME: Final = re.compile(r"[a-z][a-z0-9_]{0,39}")  # it is part of a table's name, of at most 63 characters
_REFERENCE: Final = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w./]*")


@dataclass(frozen=True, slots=True, kw_only=True)
class Plugin:
    """Everything that one subject brings to the platform. What is named by text is imported when it is needed.

    Args:
        name: lower-case letters, digits and _, 40 at most.
        tasks: modules that declare tasks with `@task`. Each process imports them when it starts.
        queues: queues beside those of the platform.
        schedules: schedules that beat writes into the database.
        templates: a package with mail templates in its folder `templates`: `NAME.subject`, `NAME.txt`, `NAME.html`.
        template_values: functions that compute a value of a template when the mail is sent, so that it is not stored
            with the job's arguments: `{"verify_email.link": "shop.mails:verification_link"}`. Each takes
            `(ctx, session, recipient)` and, by keyword, the names that the context of a job must have.
        channels: channels of notifications, such as `shop.channels:Sms`.
        routes: blueprints of flask-smorest, such as `shop.routes:blueprint`; only the ingress imports them.
        prune: functions that maintenance calls again and again, such as `shop.orders:prune_carts`. Each takes
            `(session, limit=1000)`, deletes at most so many rows that have expired, and returns their number.
        metadata: SQLAlchemy's metadata of its tables, or where it is, such as `shop.models:metadata`.
        migrations: a package and the folder in it with its Alembic revisions, such as `shop:migrations`.
        requires: names of plugins without which this one does not work.

    Raises:
        PluginError: the name, or a reference, is not written as it must be.
    """

    name: str
    tasks: Sequence[str] = ()
    queues: Sequence[Queue] = ()
    schedules: Sequence[Schedule] = ()
    templates: str | None = None
    template_values: Mapping[str, str] = field(default_factory=dict)
    channels: Sequence[str] = ()
    routes: Sequence[str] = ()
    prune: Sequence[str] = ()
    metadata: Any = None
    migrations: str | None = None
    requires: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not _NAME.fullmatch(self.name):
            msg = f"Plugin {self.name!r}: the name is lower-case letters, digits and _, 40 at most, such as shop"
            raise PluginError(msg)
        for option in ("tasks", "queues", "schedules", "channels", "routes", "prune", "requires"):
            if isinstance(getattr(self, option), str):
                msg = f"Plugin {self.name}: {option} takes a list: write {option}=[{getattr(self, option)!r}]"
                raise PluginError(msg)
        for option, reference in self.references():
            if not _REFERENCE.fullmatch(reference):
                msg = f"Plugin {self.name}: {option}={reference!r} must read like shop.module:name"
                raise PluginError(msg)

    def references(self) -> list[tuple[str, str]]:
        """Return what is named as `module:name`, each with the option that names it."""
        named = [("channels", each) for each in self.channels] + [("routes", each) for each in self.routes]
        named += [("prune", each) for each in self.prune]
        named += [("template_values", each) for each in self.template_values.values()]
        single = {"metadata": self.metadata, "migrations": self.migrations}
        return named + [(option, each) for option, each in single.items() if isinstance(each, str)]
