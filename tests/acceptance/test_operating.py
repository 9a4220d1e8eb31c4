"""The commands that change jobs: cancel, retry, redrive, discard; told in plain sentences."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from gristmill.shared.database.connect import Database
from gristmill.shared.jobs import moves
from gristmill.shared.plugins.load import load_plugins
from gristmill.shared.schedules.defaults import sync_schedules
from gristmill.shared.states import DeadReason
from tests.acceptance.test_cli import Call, gristmill, of  # noqa: F401  a fixture
from tests.factories import FAILURE, begin, reached, state


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with reached(database_url) as database:
        yield database


def post(gristmill: Call, *more: str) -> str:  # noqa: F811  the fixture, handed on
    return of(gristmill("jobs", "post", "demo.echo", "message=hello", *more))


def die(database: Database, *jobs: str) -> None:
    for job in begin(database, *map(UUID, jobs)):
        with database.transaction() as session:
            assert moves.kill(session, job.id, job.attempt, reason=DeadReason.EXHAUSTED, failure=FAILURE)


def test_jobs_are_cancelled_and_run_now(gristmill: Call, database: Database) -> None:  # noqa: F811  a fixture
    waits, later = post(gristmill), post(gristmill, "--delay", "600")
    assert "would cancel" in of(gristmill("jobs", "cancel", waits, "--dry-run"))
    assert state(database, UUID(waits)) == "queued"
    assert of(gristmill("jobs", "cancel", waits)) == f"{waits} is cancelled"
    assert of(gristmill("jobs", "run", later)) == f"{later} is due now"
    begin(database, UUID(later))
    assert "asked to end it" in of(gristmill("jobs", "cancel", later))
    refused = gristmill("jobs", "retry", later, waits)
    assert refused.returncode == 1
    assert "is running" in refused.stderr
    assert "is cancelled" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_dead_job_is_redriven_with_corrected_arguments_or_discarded(
    gristmill: Call,  # noqa: F811  a fixture
    database: Database,
) -> None:
    one, two = post(gristmill), post(gristmill)
    die(database, one, two)
    (group,) = json.loads(of(gristmill("dead-letters", "groups", "--json")))["items"]
    assert (group["task"], group["count"]) == ("demo.echo", 2)
    assert group["sample"]["error"]["message"] == FAILURE.message
    wrong = gristmill("dead-letters", "redrive", one, "--args", '{"massage": "x"}')
    assert wrong.returncode == 1
    assert "args.message" in wrong.stderr
    assert "would redrive" in of(gristmill("dead-letters", "redrive", one, "--dry-run"))
    told = of(gristmill("dead-letters", "redrive", one, "--args", '{"message": "x"}'))
    assert told.endswith(f"job {one} is queued, with 3 attempts")
    again = gristmill("dead-letters", "redrive", one)
    assert again.returncode == 1
    assert "was redriven on" in again.stderr
    assert "is discarded" in of(gristmill("dead-letters", "discard", two, "--reason", "no use"))
    shown = json.loads(of(gristmill("dead-letters", "show", two, "--json")))
    assert (shown["resolution"], shown["note"]) == ("discarded", "no use")
    assert shown["resolved_by"].startswith("cli:")
    assert of(gristmill("dead-letters", "list")) == "No dead letters"


def test_many_are_redriven_by_what_the_options_choose(gristmill: Call, database: Database) -> None:  # noqa: F811  the same
    jobs = [post(gristmill) for _ in range(3)]
    die(database, *jobs)
    wanted = ["dead-letters", "redrive", "--task", "demo.echo", "--rate", "0.1"]
    assert "3 dead letters would be redriven" in of(gristmill(*wanted, "--dry-run"))
    told = of(gristmill(*wanted))
    assert told.startswith("3 dead letters redriven; the last is due at ")
    assert sorted(state(database, UUID(job)) for job in jobs) == ["queued", "scheduled", "scheduled"]
    assert of(gristmill("dead-letters", "redrive", "--all")) == "No open dead letter matches: nothing was done"


@pytest.mark.parametrize("more", [[], ["--all", "--task", "demo.echo"], ["--all", "--args", "{}"]])
def test_everything_is_not_redriven_by_mistake(gristmill: Call, more: list[str]) -> None:  # noqa: F811  the same
    assert gristmill("dead-letters", "redrive", *more).returncode == 2


def test_a_queue_is_paused_and_resumed_and_its_jobs_say_so(gristmill: Call) -> None:  # noqa: F811  a fixture
    pause = ["queues", "pause", "data_processing_queue", "--reason"]
    assert of(gristmill(*pause, "the disk is full")).startswith(
        "data_processing_queue is paused; `gristmill queues resume"
    )
    assert "(the disk is full); nothing changed" in of(gristmill(*pause, "another"))
    told = of(gristmill("jobs", "show", post(gristmill)))
    assert "the queue data_processing_queue is paused by cli:" in told
    assert "(the disk is full)" in of(gristmill("queues", "list", "-o", "wide"))
    assert of(gristmill("queues", "resume", "data_processing_queue")) == "data_processing_queue is resumed"
    assert of(gristmill("queues", "resume", "data_processing_queue")).endswith("was not paused; nothing changed")
    refused = gristmill("queues", "resume", "mail")
    assert refused.returncode == 1
    assert "there are user_queue, email_queue" in refused.stderr


def test_a_schedule_is_shown_run_switched_off_and_on_and_made_up_for(
    gristmill: Call,  # noqa: F811  a fixture
    database: Database,
) -> None:
    with database.transaction() as session:
        sync_schedules(session, load_plugins().schedules)
    name = "aggregate-hour"
    assert json.loads(of(gristmill("schedules", "show", name, "--json")))["cron"] == "0 * * * *"
    ran = of(gristmill("schedules", "run", name, "--fire-at", "2026-01-01T00:00:00Z"))
    again = of(gristmill("schedules", "run", name, "--fire-at", "2026-01-01T00:00:00Z"))
    assert again == ran.replace(": job", " had: job")
    assert f"{name} is paused" in of(gristmill("schedules", "pause", name))
    assert json.loads(of(gristmill("schedules", "list", "--json")))["items"][0]["enabled"] is False
    assert f"{name} is resumed and fires next at 20" in of(gristmill("schedules", "resume", name))
    (fired,) = json.loads(of(gristmill("schedules", "fires", name, "--json")))["items"]
    assert (fired["cause"], fired["state"]) == ("run", "queued")
    now = datetime.now(UTC).replace(minute=0, second=0, microsecond=0)
    span = ["--from", (now - timedelta(hours=4)).isoformat(), "--to", (now - timedelta(hours=1)).isoformat()]
    assert of(gristmill("schedules", "backfill", name, *span, "--dry-run")).endswith("3 would be created, 0 existed")
    assert of(gristmill("schedules", "backfill", name, *span)).endswith("3 created, 0 existed")
    assert gristmill("schedules", "backfill", name, "--from", "yesterday", "--to", "today").returncode == 2
