"""The ingress in this process, and a test client of Flask with a key for it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from gristmill.shared.producers.queries import create_producer, find_producer
from gristmill.shared.producers.queries_keys import create_key
from gristmill.testing.mill_error import MillError

if TYPE_CHECKING:
    from flask import Flask
    from flask.testing import FlaskClient

    from gristmill.testing.platform import Platform

_PATIENCE: Final = 10.0  # seconds until the threads that write jobs have ended


@contextmanager
def ingress(platform: Platform) -> Iterator[Flask]:
    """Yield the app of the ingress with the routes of all plugins, and end its threads when the block ends.

    Raises:
        MillError: the extra `web` is missing.
    """
    try:
        from gristmill.ingress.app import create_app
        from gristmill.ingress.services import services_of
    except ModuleNotFoundError as error:
        msg = f"The ingress needs {error.name}, which is missing: pip install 'gristmill[web]'"
        raise MillError(msg) from error
    app = create_app(platform.settings, platform.database)
    yield app
    services = services_of(app)
    services.followers.close()
    for acceptor in (services.acceptor, services.batches, services.keyed):
        acceptor.close(_PATIENCE)


def client_of(app: Flask, platform: Platform, *, producer: str, scopes: tuple[str, ...]) -> FlaskClient:
    """Return a client that sends the key of a producer, which is made unless it is there.

    Raises:
        MillError: the producer is there with other scopes.
    """
    with platform.database.transaction() as session:
        found = find_producer(session, producer) or create_producer(session, producer, scopes)
        if found.scopes != sorted(scopes):
            msg = f"The producer {producer} has the scopes {', '.join(found.scopes)}: name another one, producer=…"
            raise MillError(msg)
        token = create_key(session, found)
    client = app.test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {token}"
    return client
