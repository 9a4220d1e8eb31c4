"""Settings from the environment: all that is wrong is told at once, with the cure, and no secret is told at all."""

from dataclasses import FrozenInstanceError, fields
from pathlib import Path

import pytest

from gristmill.shared.errors import SettingsError
from gristmill.shared.settings import DECLARED, SECRETS, Secret, Settings, broker_kind, environment, load_settings
from tests.contexts import NOWHERE, make_settings

HIDDEN = "hunter2-hunter2-hunter2-hunter2-hunter2"


@pytest.fixture(autouse=True)
def bare_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    for name in list(os.environ):
        if name.startswith("GRISTMILL_"):
            monkeypatch.delenv(name)


def test_everything_that_is_missing_is_told_at_once_with_an_example() -> None:
    with pytest.raises(SettingsError) as refused:
        load_settings(None)
    lines = refused.value.message.splitlines()
    for name in NOWHERE:
        assert any(line.strip().startswith(f"{name} is missing; for instance {name}=") for line in lines), name
    assert "make up" in lines[-1]


def test_everything_that_is_wrong_is_told_at_once_and_no_value_is_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    wrong = {
        "GRISTMILL_DATABASE_URL": f"mysql://user:{HIDDEN}@host/db",
        "GRISTMILL_BROKER_URL": f"kafka://:{HIDDEN}@host",
        "GRISTMILL_REDIS_URL": f"http://{HIDDEN}@[",
        "GRISTMILL_SMTP_URL": HIDDEN,
        "GRISTMILL_SECRET_KEY": HIDDEN[:8],
        "GRISTMILL_PORT": "65536",
        "GRISTMILL_LEASE": "0.1",
        "GRISTMILL_LOG_LEVEL": "LOUD",
        "GRISTMILL_DEMO_TASKS": "perhaps",
    }
    for name, value in wrong.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SettingsError) as refused:
        load_settings(None)
    message = refused.value.message
    for name in wrong:
        assert f"\n  {name} " in message
    assert "postgresql://" in message
    assert "openssl rand -hex 32" in message
    assert HIDDEN not in message
    assert HIDDEN[:8] not in message
    assert refused.value.__cause__ is None


@pytest.mark.parametrize("name", sorted(SECRETS))
def test_a_secret_shows_itself_in_no_text(name: str) -> None:
    scheme = {
        "database_url": "postgresql://u:{}@h/d",
        "database_direct_url": "postgresql://u:{}@h/d",
        "broker_url": "amqp://u:{}@h/",
        "redis_url": "redis://:{}@h",
        "smtp_url": "smtp://u:{}@h",
    }
    value = scheme.get(name, "{}").format(HIDDEN)
    settings = make_settings({f"GRISTMILL_{name.upper()}": value})
    secret = getattr(settings, name)
    assert isinstance(secret, Secret)
    assert secret.reveal() == value
    for shown in (repr(settings), str(settings), f"{settings}", repr(secret), str(secret), f"{secret}", f"{secret!r}"):
        assert HIDDEN not in shown


def test_the_secrets_are_all_the_settings_that_can_hold_one() -> None:
    named = {
        field.name
        for field in fields(Settings)
        if field.name.endswith(("_key", "_password", "_dsn")) or field.name in {"database_url", "broker_url"}
    }
    assert named <= SECRETS
    for field in fields(Settings):
        assert ("Secret" in str(field.type)) == (field.name in SECRETS)


def test_every_setting_is_declared_with_a_group_a_sentence_and_its_variable() -> None:
    assert [setting.attribute for setting in DECLARED] == [field.name for field in fields(Settings)]
    for setting in DECLARED:
        assert setting.group
        assert setting.text.endswith(".")
        assert setting.variable == f"GRISTMILL_{setting.attribute.upper()}"
        assert setting.example or not setting.required


def test_settings_cannot_be_changed() -> None:
    with pytest.raises(FrozenInstanceError):
        make_settings().port = 1  # type: ignore[misc]  # that is the point


def test_a_file_fills_in_what_the_environment_lacks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    dotenv = tmp_path / ".env"
    lines = {**NOWHERE, "GRISTMILL_PORT": "9000", "GRISTMILL_LEASE": "5"}
    dotenv.write_text("".join(f"{name}={value}\n" for name, value in lines.items()))
    for name in lines:  # whatever reading the file leaves in the environment goes with the test
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
    monkeypatch.setenv("GRISTMILL_PORT", "9001")
    settings = load_settings(dotenv)
    assert (settings.port, settings.lease) == (9001, 5.0)


def test_what_a_child_is_given_makes_the_same_settings(monkeypatch: pytest.MonkeyPatch) -> None:
    settings = make_settings({"GRISTMILL_DEMO_TASKS": "true", "GRISTMILL_FLOWER_PASSWORD": "p"}, lease=4.0)
    assert make_settings(environment(settings)) == settings


@pytest.mark.parametrize(
    ("url", "kind"),
    [("amqp://h", "rabbitmq"), ("amqps://h", "rabbitmq"), ("redis://h", "redis"), ("rediss://h", "redis")],
)
def test_the_kind_of_broker_is_told_by_its_url(url: str, kind: str) -> None:
    assert broker_kind(make_settings({"GRISTMILL_BROKER_URL": url})) == kind
