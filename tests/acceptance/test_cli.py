"""The commands beside a running platform: what they show, and what they say when something is missing."""

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from gristmill import ports
from tests.warm import process as warm

Call = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def gristmill(tmp_path: Path, database_url: str, redis_url: str) -> Call:
    """Call `gristmill` on a database of this test's own."""
    settings = {
        "GRISTMILL_DATABASE_URL": database_url,
        "GRISTMILL_REDIS_URL": redis_url,
        "GRISTMILL_BROKER_URL": redis_url,
        "GRISTMILL_SMTP_URL": f"smtp://127.0.0.1:{ports.free_port()}",
        "GRISTMILL_SECRET_KEY": "k" * 32,
        "GRISTMILL_DEMO_TASKS": "true",
    }
    ours = {name: value for name, value in os.environ.items() if not name.startswith("GRISTMILL_")}

    def call(*arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        return warm.run(arguments, cwd=tmp_path, env={**ours, **settings, **env})

    return call


def of(answer: subprocess.CompletedProcess[str]) -> str:
    assert answer.returncode == 0, answer.stdout + answer.stderr
    return answer.stdout.strip()


def test_a_posted_job_is_shown_and_listed(gristmill: Call) -> None:
    job = of(gristmill("jobs", "post", "demo.echo", "message=hello", "--tag", "a", "--delay", "60"))
    shown = json.loads(of(gristmill("jobs", "show", job, "--json")))
    assert (shown["state"], shown["args"], shown["tags"]) == ("scheduled", {"message": "hello"}, ["a"])
    listed = json.loads(of(gristmill("jobs", "list", "--tag", "a", "--json")))
    assert [each["id"] for each in listed["items"]] == [job]
    assert of(gristmill("jobs", "list", "--state", "dead")) == "No jobs"
    queues = {row["name"]: row for row in json.loads(of(gristmill("queues", "list", "-o", "json")))["items"]}
    assert queues["data_processing_queue"]["scheduled"] == 1


def test_a_secret_argument_is_not_shown(gristmill: Call) -> None:
    pairs = ["email=a@example.com", "password=Correct-horse-7", "full_name=Ada"]
    job = of(gristmill("jobs", "post", "user.create", *pairs))
    shown = of(gristmill("jobs", "show", job))
    assert "Correct-horse" not in shown
    assert "[sealed]" in shown


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["jobs", "post", "demo.nothing"], "No task is called 'demo.nothing'"),
        (["jobs", "post", "demo.echo"], "args.message"),
        (["jobs", "show", "01993c1e-0000-7000-8000-000000000000"], "No job 01993c1e"),
        (["dead-letters", "show", "01993c1e-0000-7000-8000-000000000000"], "No dead letter"),
        (["keys", "revoke", "ffffffffffff"], "No key 'ffffffffffff'"),
    ],
)
def test_what_cannot_be_done_is_a_plain_sentence(gristmill: Call, arguments: list[str], told: str) -> None:
    answer = gristmill(*arguments)
    assert answer.returncode == 1
    assert told in answer.stderr
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize(
    "arguments",
    [["jobs", "post", "demo.echo", "message"], ["jobs", "post", "demo.echo", "--args", "[1]"], ["jobs", "show", "x"]],
)
def test_a_wrong_call_ends_with_2(gristmill: Call, arguments: list[str]) -> None:
    assert gristmill(*arguments).returncode == 2


def test_a_key_is_shown_once_and_can_be_revoked(gristmill: Call) -> None:
    made = gristmill("keys", "create", "shop", "--scope", "jobs:write", "--task", "email.send", "--days", "30")
    token = of(made)
    assert token.startswith("gm_")
    (row,) = json.loads(of(gristmill("keys", "list", "--json")))["items"]
    assert (row["producer"], row["scopes"], row["allowed_tasks"]) == ("shop", ["jobs:write"], ["email.send"])
    assert token not in json.dumps(row)
    of(gristmill("keys", "revoke", token))
    (row,) = json.loads(of(gristmill("keys", "list", "--json")))["items"]
    assert row["revoked_at"] is not None


def test_a_webhook_secret_is_shown_once_and_only_for_a_producer_that_is_there(gristmill: Call) -> None:
    of(gristmill("keys", "create", "shop"))
    first, second = (of(gristmill("keys", "webhook-secret", "shop")).strip() for _ in range(2))
    assert first.startswith("whsec_")
    assert second != first
    answer = gristmill("keys", "webhook-secret", "nobody")
    assert (answer.returncode, "keys create nobody" in answer.stderr) == (1, True)


def test_doctor_names_what_is_away_with_the_cure_and_looks_at_the_rest(gristmill: Call) -> None:
    answer = gristmill("doctor", "--wait", "0")
    assert answer.returncode == 1
    states = {line.split()[0]: line.split()[1] for line in answer.stdout.splitlines() if not line.startswith(" ")}
    assert states == {
        "settings": "ok",
        "postgres": "ok",
        "schema": "ok",
        "broker": "ok",
        "processes": "FAILED",
        "plugins": "ok",
        "redis": "ok",
        "smtp": "FAILED",
    }
    assert "no report in the last seconds from relay, beat, maintenance, user_queue" in answer.stdout
    assert "GRISTMILL_SMTP_URL" in answer.stdout


def test_doctor_never_shows_a_password(gristmill: Call) -> None:
    away = f"127.0.0.1:{ports.free_port()}"
    urls = {
        "GRISTMILL_DATABASE_URL": f"postgresql://u:hush@{away}/x",
        "GRISTMILL_BROKER_URL": f"amqp://u:hush@{away}//",
        "GRISTMILL_REDIS_URL": f"redis://:hush@{away}/0",
    }
    answer = gristmill("doctor", "--wait", "0", **urls)
    assert answer.stdout.count("FAILED") == 7
    assert "hush" not in answer.stdout + answer.stderr


def test_a_database_without_a_schema_is_told_with_the_cure(gristmill: Call, postgres_server: object) -> None:
    from gristmill.services.postgres import DATABASE, Postgres

    assert isinstance(postgres_server, Postgres)
    answer = gristmill("jobs", "list", GRISTMILL_DATABASE_URL=postgres_server.url_of(DATABASE))
    assert answer.returncode == 1
    assert "gristmill db upgrade" in answer.stderr


def test_missing_settings_are_all_named_at_once(gristmill: Call) -> None:
    answer = gristmill("relay", GRISTMILL_DATABASE_URL="", GRISTMILL_SECRET_KEY="")
    assert answer.returncode == 1
    assert "GRISTMILL_DATABASE_URL" in answer.stderr
    assert "GRISTMILL_SECRET_KEY" in answer.stderr
    assert "Traceback" not in answer.stderr


def test_flower_without_a_password_does_not_start(gristmill: Call) -> None:
    answer = gristmill("flower")
    assert answer.returncode == 1
    assert "GRISTMILL_FLOWER_PASSWORD" in answer.stderr


def test_the_schema_is_brought_up_to_date_and_told(gristmill: Call) -> None:
    assert "The schema is current" in of(gristmill("db", "upgrade"))
    assert "The schema is current" in of(gristmill("db", "current"))


def test_jobs_are_counted_and_cancelled_by_a_filter(gristmill: Call) -> None:
    for tag in ("go", "go", "keep"):
        of(gristmill("jobs", "post", "demo.echo", "message=hello", "--tag", tag))
    where = ("--where", '{"field": "tags", "contains": "go"}', "--state", "queued")
    assert of(gristmill("jobs", "count", *where)) == "2"
    assert len(json.loads(of(gristmill("jobs", "list", *where, "--json")))["items"]) == 2
    assert of(gristmill("jobs", "cancel", *where, "--dry-run")).startswith("2 jobs would be cancelled")
    assert of(gristmill("jobs", "cancel", *where)) == "2 jobs cancelled"
    assert of(gristmill("jobs", "cancel", *where)).endswith("nothing was done")
    assert of(gristmill("jobs", "count", "--state", "queued", "--created-before", "2100-01-01")) == "1"
    assert of(gristmill("dead-letters", "count", "--where", '{"field": "error_message", "like": "%451%"}')) == "0"


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["jobs", "cancel"], 2, "give either IDs, or options that select"),
        (["jobs", "cancel", "--all", "--task", "demo.echo"], 2, "give either IDs, or options that select"),
        (["jobs", "count", "--where", "state = 'dead'"], 2, "this is not JSON"),
        (["jobs", "list", "--where", '{"field": "colour", "eq": 1}'], 1, "where.field"),
        (["dead-letters", "redrive", "--where", '{"field": "task", "eq": 1}'], 1, "where.eq"),
    ],
)
def test_a_filter_that_cannot_be_is_refused_by_the_command(
    gristmill: Call, arguments: list[str], status: int, told: str
) -> None:
    answer = gristmill(*arguments)
    assert (answer.returncode, told in answer.stderr) == (status, True), answer.stderr


def test_lists_are_there_on_an_empty_database(gristmill: Call) -> None:
    assert of(gristmill("dead-letters", "list")) == "No dead letters"
    assert "No schedules" in of(gristmill("schedules", "list"))
    assert "demo.echo" in of(gristmill("tasks", "list"))
