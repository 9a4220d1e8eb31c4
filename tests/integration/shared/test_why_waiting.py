"""The reason why a job waits is the first obstacle on its way. Real processes: tests/acceptance."""

import re
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from gristmill.shared.database import bounded_count
from gristmill.shared.database.connect import Database
from gristmill.shared.jobs.enqueue import JobOptions
from gristmill.shared.jobs.models import Job
from gristmill.shared.jobs.moves import request_cancel, retry, snooze, succeed
from gristmill.shared.operating.pause import pause_queue
from gristmill.shared.operating.queries_process_reports import SILENT_AFTER, StatusReport, write_report
from gristmill.shared.operating.wait_reason import REASONS, WaitReason
from gristmill.shared.operating.why_waiting import explain_waiting
from tests import platform_tasks as tasks
from tests.factories import FAILURE, begin, change, post, post_many

DATA = "data_processing_queue"


def explain(database: Database, job_id: UUID) -> WaitReason:
    with database.transaction() as session:
        found = explain_waiting(session, session.get_one(Job, job_id))
    assert found is not None
    assert found.reason in REASONS
    assert "\n" not in found.message
    return found


def report(database: Database, kind: Any, *, silent_for: float = 0, **values: Any) -> None:
    """Let a process tell of itself, some seconds ago."""
    named = {"name": f"{kind}@box:1", "queue": DATA if kind == "worker" else None} | values
    with database.transaction() as session:
        write_report(session, StatusReport(kind=kind, **named))
    change(
        database,
        "UPDATE gristmill.process_reports SET seen_at = seen_at - :s * interval '1 second' WHERE name = :name",
        s=silent_for,
        name=named["name"],
    )


def pause(database: Database) -> None:
    with database.transaction() as session:
        pause_queue(session, DATA, actor="ada", reason="the disk is full")


def published(database: Database) -> UUID:
    """A job whose hint has gone to the broker."""
    job = post(database, tasks.effect, key="k")
    change(database, "DELETE FROM gristmill.outbox")
    return job


def age(database: Database, job: UUID, seconds: float) -> None:
    change(
        database,
        "UPDATE gristmill.jobs SET run_at = run_at - :s * interval '1 second' WHERE id = :id",
        s=seconds,
        id=job,
    )


def test_a_job_that_is_not_due_says_when_it_is(database: Database) -> None:
    job = post(database, tasks.effect, JobOptions(delay=timedelta(minutes=29.5)), key="k")
    found = explain(database, job)
    assert found.message.startswith("not due until 20")
    assert found.message.endswith("Z (in 29 min)")
    pause(database)
    both = explain(database, job)
    assert both.reason == "not_due"
    assert f"; and the queue {DATA} is paused by ada since " in both.message


def test_a_job_that_failed_says_why_and_when_it_is_tried_again(database: Database) -> None:
    (job,) = begin(database, post(database, tasks.effect, key="k"))
    with database.transaction() as session:
        assert retry(session, job.id, job.attempt, delay=timedelta(minutes=100.5), failure=FAILURE)
    found = explain(database, job.id)
    assert found.message == f"retrying after `TEST_1` in 100 min (attempt 2 of {job.max_attempts})"
    assert found.details["error"] == "TEST_1"


def test_a_job_whose_handler_asked_for_time_says_so(database: Database) -> None:
    (job,) = begin(database, post(database, tasks.effect, key="k"))
    with database.transaction() as session:
        assert snooze(session, job.id, job.attempt, delay=timedelta(hours=5))
    assert explain(database, job.id).message.startswith("its handler asked to wait until 20")


def test_a_pause_is_told_with_who_since_when_and_why_before_anything_after_it(database: Database) -> None:
    job = post(database, tasks.effect, key="k")  # and no relay runs
    pause(database)
    found = explain(database, job)
    since: datetime = found.details["paused_at"]
    assert found.message == (f"the queue {DATA} is paused by ada since {since:%Y-%m-%dT%H:%M:%SZ} (the disk is full)")
    urgent = post(database, tasks.effect, JobOptions(priority="high"), key="k")
    assert explain(database, urgent).reason == "no_relay"


def test_a_job_that_is_no_longer_wanted_says_so_even_in_a_paused_queue(database: Database) -> None:
    job = post(database, tasks.effect, key="k")
    change(database, "UPDATE gristmill.jobs SET expires_at = clock_timestamp()")
    pause(database)
    assert explain(database, job).message.startswith("no longer wanted since 20")


def test_a_hint_that_nobody_publishes_is_told_with_the_relay_that_was_last(database: Database) -> None:
    job = post(database, tasks.effect, key="k")
    assert explain(database, job).message == "no relay has ever run: start one with `gristmill relay`"
    report(database, "relay", silent_for=SILENT_AFTER + 285)
    assert explain(database, job).message.startswith(
        "no relay has run for 5 min: the last one, relay@box:1, was last heard"
    )
    report(database, "relay", stopped=True)
    assert "was stopped at 20" in explain(database, job).message


def test_a_broker_is_unreachable_when_every_relay_that_is_there_says_so(database: Database) -> None:
    job = post(database, tasks.effect, key="k")
    report(database, "relay", trouble="ConnectionRefusedError: amqp://mq:5672 refuses")
    report(database, "relay", name="relay@old:1", silent_for=3600)
    found = explain(database, job)
    assert found.reason == "broker_unreachable"
    assert found.message.endswith("(relay@box:1 reports ConnectionRefusedError)")
    report(database, "relay", name="relay@box:2")
    assert explain(database, job).message == "about to be published to the broker by a relay"


def test_a_hint_behind_others_in_the_outbox_says_how_many(database: Database) -> None:
    for _ in range(3):
        post(database, tasks.effect, key="k")
    job = post(database, tasks.effect, key="k")
    report(database, "relay")
    assert explain(database, job).message == "waits behind 3 older hints to be published to the broker"


def test_a_queue_without_workers_is_told_with_the_one_that_was_last(database: Database) -> None:
    job = published(database)
    started = f"no worker has ever consumed {DATA}: start one with `gristmill worker --queue {DATA}`"
    report(database, "worker", name="w@box:9", queue="email_queue")
    assert explain(database, job).message == started
    report(database, "worker", silent_for=3 * 3600)
    assert explain(database, job).message.startswith(f"no worker has consumed {DATA} for 3 h: the last one")
    report(database, "worker", trouble="OSError: no route")
    assert explain(database, job).reason == "broker_unreachable"


def as_if_read_at_once(message: str, seconds: int) -> str:
    """The message as it would read `seconds` after the event: a busy machine reads it later."""
    return re.sub(r"\d+(?= s\b)", lambda told: str(seconds if 0 <= int(told[0]) - seconds < 60 else told[0]), message)


def test_a_job_in_line_says_how_many_older_ones_there_are_and_how_long_the_oldest_waits(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = post_many(database, 5, tasks.effect, key="k")  # in one transaction, due at the same time
    change(database, "DELETE FROM gristmill.outbox")
    report(database, "worker", children=2)
    age(database, jobs[0], 100)
    behind = f"of {DATA}; the oldest has waited 100 s"
    assert as_if_read_at_once(explain(database, jobs[4]).message, 100) == f"behind 4 older jobs {behind}"
    assert as_if_read_at_once(explain(database, jobs[1]).message, 100) == f"behind 1 older job {behind}"
    monkeypatch.setattr(bounded_count, "MOST_COUNTED", 2)
    assert explain(database, jobs[4]).message.startswith("behind more than 2 older jobs")


def test_the_next_in_line_says_whether_the_workers_are_busy_or_its_hint_may_be_lost(database: Database) -> None:
    report(database, "worker", children=2)
    first, second = published(database), published(database)
    third = published(database)
    begin(database, first, second)
    assert explain(database, third).message == f"next in {DATA}: its 2 worker processes are busy with other jobs"
    with database.transaction() as session:
        assert succeed(session, [(first, 1, None)])
    assert explain(database, third).message == f"published, a worker of {DATA} takes it next"
    age(database, third, 60)
    assert as_if_read_at_once(explain(database, third).message, 60) == (
        f"due for 60 s with a free worker of {DATA}; whether its hint is lost nobody finds out: "
        "start `gristmill maintenance`"
    )
    report(database, "maintenance")
    assert explain(database, third).message.endswith("is looked into by maintenance")


def test_a_job_that_runs_says_where_and_whether_it_is_asked_to_end_or_its_worker_may_be_lost(
    database: Database,
) -> None:
    (job,) = begin(database, published(database))
    assert explain(database, job.id).message.startswith("runs on worker lost@nowhere since 20")
    change(database, "UPDATE gristmill.jobs SET lease_until = clock_timestamp() - interval '1 second'")
    assert explain(database, job.id).reason == "lease_over"
    with database.transaction() as session:
        assert request_cancel(session, job.id)
    assert explain(database, job.id).message.startswith("is asked to be cancelled since 20")


@pytest.mark.parametrize("end", ["succeeded", "dead", "cancelled"])
def test_a_job_that_has_ended_waits_for_nothing(database: Database, end: str) -> None:
    job = post(database, tasks.effect, key="k")
    change(database, "UPDATE gristmill.jobs SET state = :end, finished_at = clock_timestamp()", end=end)
    with database.transaction() as session:
        assert explain_waiting(session, session.get_one(Job, job)) is None
