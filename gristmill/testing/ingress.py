"""A client of the real HTTP ingress in the process of a test."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gristmill.shared.base.principal import ADMIN
from gristmill.shared.producers.queries import create_producer
from gristmill.shared.producers.queries_keys import create_key
from gristmill.testing.outcomes import MillError

if TYPE_CHECKING:
    from flask.testing import FlaskClient

    from gristmill.shared.database.connect import Database


def make_client(database: Database) -> FlaskClient:
    """Return a test client of Flask for an ingress on `database`, with the key of a new administrator.

    Raises:
        MillError: the extra `web` is not installed.
    """
    try:
        from gristmill.ingress.app import create_app
    except ImportError as error:
        msg = "mill.http() needs the extra web: pip install 'gristmill[web]'"
        raise MillError(msg) from error
    with database.transaction() as session:
        producer = create_producer(session, name="test", scopes=[ADMIN])
        key = create_key(session, producer)
    client = create_app(database.settings, database).test_client()
    client.environ_base["HTTP_AUTHORIZATION"] = f"Bearer {key}"
    return client
