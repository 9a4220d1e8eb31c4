"""The form of a log line, and the secrets that it never holds."""

import json
import logging
from collections.abc import Iterator
from dataclasses import replace

import pytest
import structlog

from gristmill.shared.base.logging import configure_logging
from gristmill.shared.base.redaction import hide_secrets, redact
from gristmill.shared.settings import Secret, Settings, load_settings

URLS = {
    "DATABASE_URL": "postgresql://u:p@db/mill",
    "BROKER_URL": "amqp://u:p@mq//",
    "REDIS_URL": "redis://cache/0",
    "SMTP_URL": "smtp://mail:25",
    "SECRET_KEY": "k" * 32,
}


@pytest.fixture
def settings(monkeypatch: pytest.MonkeyPatch) -> Settings:
    for name, value in URLS.items():
        monkeypatch.setenv(f"GRISTMILL_{name}", value)
    return load_settings(dotenv=None)


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    logging.captureWarnings(capture=False)
    structlog.reset_defaults()


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, object]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_our_events_and_the_libraries_lines_have_one_form(
    settings: Settings, capsys: pytest.CaptureFixture[str]
) -> None:
    configure_logging(settings, "relay")
    structlog.get_logger("gristmill.workers.relay.relay").info("hint.published", job_id="7", count=3)
    logging.getLogger("kombu").warning("connection %s lost", "x")
    ours, theirs = lines(capsys)
    assert {**ours, "timestamp": "…"} == {
        "event": "hint.published",
        "job_id": "7",
        "count": 3,
        "level": "info",
        "logger": "gristmill.workers.relay.relay",
        "process": "relay",
        "timestamp": "…",
    }
    assert theirs["event"] == "connection x lost"
    assert theirs["process"] == "relay"
    assert str(ours["timestamp"]).endswith("Z")


def test_an_exception_is_logged_without_secrets(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(settings, "web")
    try:
        int("postgresql://u:hush@db/mill")
    except ValueError:
        structlog.get_logger().exception("it.failed")
    (line,) = lines(capsys)
    assert "postgresql://u:***@db/mill" in str(line["exception"])
    assert "hush" not in str(line)


def test_what_is_below_the_level_is_not_logged(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(replace(settings, log_level="ERROR"), "web")
    structlog.get_logger("a").warning("it.warned")
    logging.getLogger("b").warning("it warned")
    assert lines(capsys) == []


def test_the_readable_form_has_the_same_in_it(settings: Settings, capsys: pytest.CaptureFixture[str]) -> None:
    configure_logging(replace(settings, log_format="console"), "web")
    structlog.get_logger("a").warning("job.dead", password="hush", job_id=7)
    shown = capsys.readouterr().out
    assert "[warning  ] job.dead" in shown
    assert "job_id=7" in shown
    assert "hush" not in shown


@pytest.mark.parametrize(
    ("name", "value", "shown"),
    [
        ("password", "hush", "***"),
        ("api_key", "hush", "***"),
        ("Authorization", "Bearer abc", "***"),
        ("headers", {"authorization": "Basic abc", "accept": "x"}, {"authorization": "***", "accept": "x"}),
        ("items", [{"token": "hush"}], [{"token": "***"}]),
        ("token_count", 3, 3),
        ("idempotency_key", "k1", "k1"),
        ("url", "amqp://u:hush@mq//", "amqp://u:***@mq//"),
        ("text", "sent Authorization: Bearer abcdefgh.ijk", "sent Authorization: Bearer ***"),
        ("text", "gm_0123456789ab_abcdefghijklmnop used", "gm_0123456789ab_*** used"),
        ("value", Secret("hush"), "Secret(***)"),
        ("nothing", None, None),
    ],
)
def test_secrets_are_hidden(name: str, value: object, shown: object) -> None:
    assert redact({name: value}) == {name: shown}


def test_a_value_nested_without_end_is_still_logged() -> None:
    deep: list[object] = []
    deep.append(deep)
    assert redact({"deep": deep})


def test_text_without_secrets_stays_as_it_is() -> None:
    assert hide_secrets("POST /api/v1/jobs 202 in 3 ms, http://127.0.0.1:8000/docs") == (
        "POST /api/v1/jobs 202 in 3 ms, http://127.0.0.1:8000/docs"
    )
