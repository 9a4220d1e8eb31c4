"""The services that the views of a running app share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from flask import current_app

if TYPE_CHECKING:
    from flask import Flask

    from gristmill.ingress.accepting.group_commit import Acceptor
    from gristmill.ingress.accepting.known_tasks import KnownTasks
    from gristmill.ingress.access.key_checks import KeyChecks
    from gristmill.ingress.access.password_checks import PasswordChecks
    from gristmill.ingress.access.rate_counters import RateCounters
    from gristmill.ingress.following.followers import Followers
    from gristmill.ingress.health.metrics import Metrics
    from gristmill.ingress.health.readiness import Readiness
    from gristmill.ingress.http.bodies import Bodies
    from gristmill.shared.database.connect import Database
    from gristmill.shared.settings import Settings

EXTENSION: Final = "gristmill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """One app's settings, database and other objects that live as long as the app.

    Batches have their own acceptor, so that a single job never queues behind a thousand others. So have jobs with a
    unique key (`keyed`): an open transaction with the same key makes only these wait.
    """

    settings: Settings
    database: Database
    acceptor: Acceptor
    batches: Acceptor
    keyed: Acceptor
    key_checks: KeyChecks
    bodies: Bodies
    readiness: Readiness
    known_tasks: KnownTasks
    followers: Followers
    rate_counters: RateCounters
    password_checks: PasswordChecks
    metrics: Metrics


def services() -> Services:
    """Return the services of the app that serves this request."""
    return services_of(current_app)


def services_of(app: Flask) -> Services:
    """Return the services of `app`."""
    return cast("Services", app.extensions[EXTENSION])
