"""Settings that name servers which nobody needs to reach."""

from dataclasses import replace

import pytest

from gristmill.shared.settings import Secret, Settings, load_settings


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in {
        "DATABASE_URL": "postgresql://nobody@127.0.0.1:1/nothing",
        "BROKER_URL": "amqp://nobody:nothing@127.0.0.1:1/",
        "REDIS_URL": "redis://127.0.0.1:1/0",
        "SMTP_URL": "smtp://127.0.0.1:1",
        "SECRET_KEY": "k" * 32,
    }.items():
        monkeypatch.setenv(f"GRISTMILL_{name}", value)
    return replace(load_settings(dotenv=None), demo_tasks=True, secret_key=Secret("k" * 32))
