"""Browsers: pages of other origins may ask only where they are on the list, and without the browser's credentials."""

from dataclasses import replace

import pytest
from flask.testing import FlaskClient

from gristmill.ingress.app import create_app
from gristmill.shared.database.connect import Database
from gristmill.shared.errors import SettingsError
from gristmill.shared.settings import Settings, environment, load_settings

CONSOLE = "https://console.example.com"
ASKS = {"Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "authorization"}


@pytest.fixture
def listed(settings: Settings, database: Database) -> FlaskClient:
    return create_app(replace(settings, cors_origins=(CONSOLE,)), database).test_client()


def test_by_default_no_origin_is_allowed(client: FlaskClient) -> None:
    answer = client.options("/api/v1/jobs", headers={"Origin": CONSOLE} | ASKS)
    assert not [name for name, _ in answer.headers if name.startswith("Access-Control")]


def test_an_origin_on_the_list_may_ask_without_a_key_what_it_may_send(listed: FlaskClient) -> None:
    answer = listed.options("/api/v1/jobs", headers={"Origin": CONSOLE} | ASKS)
    assert answer.status_code == 200
    assert answer.headers["Access-Control-Allow-Origin"] == CONSOLE
    assert "POST" in answer.headers["Access-Control-Allow-Methods"]
    assert "Authorization" in answer.headers["Access-Control-Allow-Headers"]
    assert "Access-Control-Allow-Credentials" not in answer.headers
    assert "Origin" in answer.headers["Vary"]


@pytest.mark.parametrize("origin", ["https://console.example.com.evil.example", "http://console.example.com", "null"])
def test_any_other_origin_is_told_nothing(listed: FlaskClient, origin: str) -> None:
    answer = listed.get("/healthz", headers={"Origin": origin})
    assert "Access-Control-Allow-Origin" not in answer.headers
    assert "Origin" in answer.headers["Vary"]


def test_a_refusal_can_be_read_by_a_page_that_is_allowed(listed: FlaskClient) -> None:
    answer = listed.get("/api/v1/jobs", headers={"Origin": CONSOLE})
    assert (answer.status_code, answer.headers["Access-Control-Allow-Origin"]) == (401, CONSOLE)


@pytest.mark.parametrize("wrong", ["*", "console.example.com", "https://a.example/path", "https://"])
def test_what_is_no_origin_is_refused_at_start(settings: Settings, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("GRISTMILL_CORS_ORIGINS", f"{CONSOLE},{wrong}")
    with pytest.raises(SettingsError, match="CORS_ORIGINS"):
        load_settings(dotenv=None)
    monkeypatch.setenv("GRISTMILL_CORS_ORIGINS", CONSOLE)
    loaded = load_settings(dotenv=None)
    assert loaded.cors_origins == (CONSOLE,)
    assert environment(loaded)["GRISTMILL_CORS_ORIGINS"] == CONSOLE
