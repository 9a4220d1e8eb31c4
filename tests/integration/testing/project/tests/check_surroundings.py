"""The settings, the environment, the client and the mails of a test."""

import os
import signal
import threading
from typing import Any

import pytest

from gristmill.shared.settings import load_settings
from gristmill.testing import Mill, MillError


def test_code_that_reads_the_environment_finds_the_database_of_the_test(mill: Mill) -> None:
    settings = load_settings()
    assert settings.database_url.reveal() == settings.direct_url.reveal() == mill.url
    assert "GRISTMILL_SENTRY_DSN" not in os.environ


def test_a_setting_of_the_project_holds(mill: Mill) -> None:
    mill.run("email.send", to="ada@example.com", subject="Hello", text="…")
    (mail,) = mill.mails()
    assert (mail["from"], mail["to"], mail["subject"]) == ("shop@example.com", ["ada@example.com"], "Hello")
    assert mill.mails("eve@example.com") == []


def test_mails_of_another_test_are_gone(mill: Mill) -> None:
    assert mill.mails() == []


def test_tables_that_the_application_makes_itself_are_there(mill: Mill) -> None:
    with mill.engine.connect() as connection:
        assert connection.exec_driver_sql("SELECT name FROM prepared").scalar_one() == "by the application"


def test_a_client_may_do_what_its_scopes_say(mill: Mill) -> None:
    assert mill.client().get("/api/v1/queues").status_code == 403
    assert mill.client("queues:read", producer="reader").get("/api/v1/queues").status_code == 200
    with pytest.raises(MillError, match="has the scopes jobs:read, jobs:write: name another one"):
        mill.client("admin")


def test_the_timer_of_another_plugin_goes_on_behind_a_handler(mill: Mill) -> None:
    before = signal.signal(signal.SIGALRM, signal.SIG_IGN)
    try:
        signal.setitimer(signal.ITIMER_REAL, 1_000)
        mill.run("vault.open", pin="1")
        left, _ = signal.setitimer(signal.ITIMER_REAL, 0)
    finally:
        signal.signal(signal.SIGALRM, before)
    assert 900 < left <= 1_000


def test_another_thread_is_refused_because_it_gets_no_alarm(mill: Mill) -> None:
    errors: list[Any] = []

    def run() -> None:
        with pytest.raises(MillError, match="only the main thread can have") as refused:
            mill.run("vault.open", pin="1")
        errors.append(refused.value)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(60)
    assert len(errors) == 1
