"""What the views of a running app work with."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, cast

from flask import current_app

if TYPE_CHECKING:
    from flask import Flask

    from ingress.accept import Acceptor
    from ingress.auth import KeyRing
    from ingress.bodies import Bodies
    from ingress.limits import Limits
    from ingress.metrics import Metrics
    from ingress.password_checks import PasswordChecks
    from ingress.readiness import Readiness
    from ingress.waiting import Waiters
    from shared.db import Database
    from shared.settings import Settings

EXTENSION: Final = "gristmill"


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """One app's settings, database and the parts that live as long as it does.

    Batches have an acceptor of their own: a single job never stands in a queue behind a thousand others.
    """

    settings: Settings
    database: Database
    acceptor: Acceptor
    batches: Acceptor
    keys: KeyRing
    bodies: Bodies
    readiness: Readiness
    waiters: Waiters
    limits: Limits
    passwords: PasswordChecks
    metrics: Metrics


def services() -> Services:
    """Return the services of the app that serves this request."""
    return services_of(current_app)


def services_of(app: Flask) -> Services:
    """Return the services of `app`."""
    return cast("Services", app.extensions[EXTENSION])
