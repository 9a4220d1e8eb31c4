"""Create the Flask app: its services, middleware and routes, in the order in which a request meets them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from typing import Any, Final

from flask import Flask, Request
from werkzeug.middleware.proxy_fix import ProxyFix
from werkzeug.routing import MapAdapter

from gristmill.ingress.accepting.group_commit import (
    BATCH_CAPACITY,
    BATCH_WRITERS,
    KEYED_LOCK_TIMEOUT,
    KEYED_WRITERS,
    WRITERS,
    Acceptor,
)
from gristmill.ingress.accepting.known_tasks import KnownTasks
from gristmill.ingress.access.access_rules import refuse_undeclared_routes
from gristmill.ingress.access.authenticate import authenticate
from gristmill.ingress.access.key_checks import KeyChecks
from gristmill.ingress.access.password_checks import PasswordChecks
from gristmill.ingress.access.rate_counters import RateCounters
from gristmill.ingress.document.openapi import prepare_document
from gristmill.ingress.following.followers import Followers
from gristmill.ingress.health.metrics import Metrics
from gristmill.ingress.health.readiness import Readiness
from gristmill.ingress.http.api import make_api
from gristmill.ingress.http.bodies import Bodies
from gristmill.ingress.http.cors import register_cors
from gristmill.ingress.http.every_request import EveryRequest
from gristmill.ingress.http.json import OrjsonProvider
from gristmill.ingress.plugin_routes import refuse_doubled_routes, register_routes
from gristmill.ingress.routes import (
    batches,
    dead_letter_lists,
    dead_letters,
    docs,
    events,
    health,
    job_lists,
    jobs,
    metrics,
    producers,
    queues,
    schedules,
    tasks,
    webhook_secrets,
)
from gristmill.ingress.services import EXTENSION, Services
from gristmill.shared.database.connect import Database
from gristmill.shared.plugins.load import load_plugins
from gristmill.shared.settings import Settings

LARGEST_BODY: Final = 256 * 1024  # bytes; a job's arguments refer to large objects, they do not contain them
# In the order of the OpenAPI document; those of the plugins follow.
_ROUTES: Final = (
    jobs,
    events,
    job_lists,
    batches,
    dead_letters,
    dead_letter_lists,
    queues,
    schedules,
    producers,
    webhook_secrets,
    tasks,
    health,
    metrics,
)


class Ingress(Flask):
    """Flask without asynchronous views, so that no call has to check for one."""

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return `func` as it is."""
        return func

    def create_url_adapter(self, request: Request | None) -> MapAdapter | None:
        """Return an adapter that routes `request` by its path alone, so that its host need not be parsed."""
        if request is None:
            return None
        environ = request.environ
        return MapAdapter(
            self.url_map,
            server_name=environ.get("HTTP_HOST", ""),
            script_name=environ.get("SCRIPT_NAME") or "/",
            subdomain="",
            url_scheme=environ["wsgi.url_scheme"],
            path_info=request.path,
            default_method=request.method,
            query_args=environ.get("QUERY_STRING", ""),
        )


def create_app(settings: Settings, database: Database | None = None) -> Flask:
    """Return a WSGI app. It connects to nothing before the first request, so it may be created before a fork.

    Raises:
        RuntimeError: a route declares no access rule.
        PluginError: a plugin names what cannot be served, or a route that is taken.
    """
    plugins = load_plugins()
    app = Ingress(__name__, static_folder=None)
    app.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY
    app.json = OrjsonProvider(app)
    app.url_map.merge_slashes = False  # many clients drop the body of a redirected POST: 404 is clearer
    database = database or Database(settings, application_name="gristmill web")
    services = app.extensions[EXTENSION] = _make_services(settings, database)
    register_cors(app, settings.cors_origins)
    app.before_request(authenticate)
    app.wsgi_app = EveryRequest(app.wsgi_app, services.metrics.count)  # type: ignore[method-assign]
    if settings.trusted_proxies:
        app.wsgi_app = ProxyFix(app.wsgi_app, x_for=settings.trusted_proxies)  # type: ignore[method-assign]
    api = make_api(app, metadata.version("gristmill"))
    for module in _ROUTES:
        api.register_blueprint(module.blueprint)
    register_routes(api, plugins.routes if settings.demo_tasks else plugins.without("demo").routes)
    app.register_blueprint(docs.blueprint)
    refuse_undeclared_routes(app)
    refuse_doubled_routes(app)
    prepare_document(app, api, demo_tasks=settings.demo_tasks)
    return app


def _make_services(settings: Settings, database: Database) -> Services:
    acceptor = Acceptor(_own_connections(database, WRITERS))
    batches = Acceptor(
        _own_connections(database, BATCH_WRITERS),
        name="batch acceptor",
        writers=BATCH_WRITERS,
        capacity=BATCH_CAPACITY,
    )
    keyed = Acceptor(
        _own_connections(database, KEYED_WRITERS, longest_lock=KEYED_LOCK_TIMEOUT),
        name="keyed acceptor",
        writers=KEYED_WRITERS,
        capacity=BATCH_CAPACITY,
    )
    rate_counters = RateCounters(settings)
    followers = _make_followers(settings, database)
    return Services(
        settings=settings,
        database=database,
        acceptor=acceptor,
        batches=batches,
        keyed=keyed,
        key_checks=KeyChecks(database, people="accounts" in load_plugins().names),
        bodies=Bodies(port=settings.port, most=max(1, settings.web_threads // 2), seconds=settings.web_body_seconds),
        readiness=Readiness(database, settings),
        known_tasks=KnownTasks(database),
        rate_counters=rate_counters,
        password_checks=PasswordChecks(most=_most_sign_ins(settings)),
        followers=followers,
        metrics=Metrics(
            database,
            acceptors={"single": acceptor, "batch": batches, "unique": keyed},
            followers=followers,
            rate_counters=rate_counters,
        ),
    )


def _make_followers(settings: Settings, database: Database) -> Followers:
    """Leave at least one thread for requests that do not wait."""
    most = min(settings.web_waiters, settings.web_threads - 1)
    return Followers(database, most=most, streams=min(settings.web_streams, settings.web_threads - 1 - most))


def _most_sign_ins(settings: Settings) -> int:
    """Leave most threads, and half of those in which no request waits for a job, to everything else."""
    left = settings.web_threads - settings.web_waiters - settings.web_streams
    return max(1, min(settings.web_threads // 4, left // 2))


def _own_connections(database: Database, count: int, *, longest_lock: float | None = None) -> Database:
    """Return a separate connection pool to the same database, without a check before each use.

    Args:
        longest_lock: seconds for which a statement waits for a lock, if less than all others may.
    """
    settings = database.settings
    if longest_lock is not None:
        settings = replace(settings, lock_timeout=min(longest_lock, settings.lock_timeout))
    return Database(settings, application_name="gristmill web accept", pool_size=count, pre_ping=False)
