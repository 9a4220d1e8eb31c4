"""The settings of a test: defaults, and what the kit determines. Neither the environment nor a `.env` is read."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from typing import Any, Final

from gristmill.shared.plugins.discover import VARIABLE, wanted_names
from gristmill.shared.settings import DECLARED, Secret, Settings, environment
from gristmill.testing.mill_error import MillError

# Nobody listens on port 1: what would speak to a broker or to Valkey fails at once.
_NOWHERE: Final = {
    "broker_url": Secret("amqp://nobody@127.0.0.1:1/"),
    "redis_url": Secret("redis://127.0.0.1:1/0"),
    "secret_key": Secret("for-tests-only-" + "0" * 32),
}
_FOR_TESTS: Final[Mapping[str, Any]] = {
    "lease": 1.0,  # seconds, the fewest: a handler hears of a cancellation within a third of it
    "cancel_grace": 3_600.0,  # seconds, the most: then a worker kills its process, which here is that of the tests
    "database_pool_size": 2,  # one for the attempt, one for the heartbeat
    "allow_private_webhooks": True,
    "allow_http_callbacks": True,
}


def make_settings(database_url: str, smtp_url: str, changes: Mapping[str, Any]) -> Settings:
    """Return the settings of a session of tests.

    Args:
        database_url: of the database that each test gets anew.
        smtp_url: of the mail server.
        changes: what a project sets itself, by attribute of `Settings`.

    Raises:
        MillError: there is no such setting, or the kit determines it.
    """
    fixed = {**_NOWHERE, "database_url": Secret(database_url), "smtp_url": Secret(smtp_url)}
    defaults = {each.attribute: _default(each.default) for each in DECLARED}
    for name in changes:
        if name not in defaults or name in {"database_url", "database_direct_url", "smtp_url"}:
            msg = f"gristmill_settings: {name!r} cannot be set; choose among {', '.join(sorted(defaults))}"
            raise MillError(msg)
    made = Settings(**{**defaults, **fixed, **_FOR_TESTS, "plugins": wanted_names() or ()})
    return replace(made, **changes)


@contextmanager
def in_environment(settings: Settings) -> Iterator[None]:
    """Let the environment say the same until the block ends, so that no code under test finds another database."""
    before = dict(os.environ)
    # That of the database itself is said, too: otherwise an application would read it from a .env file.
    said = {**environment(settings), "GRISTMILL_DATABASE_DIRECT_URL": settings.database_url.reveal()}
    for variable in (each.variable for each in DECLARED):
        if variable != VARIABLE:
            os.environ.pop(variable, None)
    os.environ |= said
    try:
        yield
    finally:
        for variable in (each.variable for each in DECLARED):
            os.environ.pop(variable, None)
            if variable in before:
                os.environ[variable] = before[variable]


def _default(value: Any) -> Any:
    return tuple(value) if isinstance(value, list) else value
