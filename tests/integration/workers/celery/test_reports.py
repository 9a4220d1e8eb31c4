"""What the processes say of themselves: at a slow pace, at once when something changes, and until they are gone."""

import os
from typing import Any

import pytest

from gristmill.services.valkey import Valkey
from gristmill.shared.database.connect import Database
from gristmill.shared.operating.queries_process_reports import (
    SILENT_AFTER,
    ProcessStatus,
    delete_silent,
    list_processes,
)
from gristmill.workers.broker_errors import BROKER_AWAY
from gristmill.workers.celery.app import make_app
from gristmill.workers.celery.worker_report import AttemptCounter, WorkerReporter
from gristmill.workers.loop import Stop
from gristmill.workers.relay.loop import Relay
from gristmill.workers.relay.publish import make_publisher
from gristmill.workers.report import ProcessReporter
from tests.conftest import Make
from tests.factories import change, post, reached


def seen(database: Database, **chosen: Any) -> list[ProcessStatus]:
    with database.transaction() as session:
        return list_processes(session, **chosen)


def test_a_process_reports_at_a_slow_pace_and_at_once_when_something_changes(database: Database) -> None:
    reporter = ProcessReporter(database, "relay")
    reporter.report()
    reporter._next += 3600  # for as long as this test may take
    (first,) = seen(database)
    for _ in range(20):
        reporter.report(acted=True)
    assert seen(database) == [first]
    reporter.report(trouble=ConnectionRefusedError("amqp://me:hush@mq refuses"))
    (troubled,) = seen(database)
    assert troubled.trouble == "ConnectionRefusedError: amqp://me:***@mq refuses"
    assert troubled.seen_at > first.seen_at
    assert troubled.acted_at is not None
    reporter.report()
    (well,) = seen(database)
    assert (well.trouble, well.trouble_since, well.alive) == (None, None, True)


def test_since_when_a_broker_is_away_is_told_from_the_first_time_on(database: Database) -> None:
    reporter = ProcessReporter(database, "relay")
    since = set()
    for _ in range(3):
        reporter.report(trouble=OSError("away"))
        reporter._next = 0.0  # as if some seconds had passed
        since.add(seen(database)[0].trouble_since)
    assert len(since) == 1


def test_who_was_silent_for_three_reports_or_has_stopped_is_not_alive(database: Database) -> None:
    reporter = ProcessReporter(database, "beat")
    reporter.report()
    change(
        database,
        "UPDATE gristmill.process_reports SET seen_at = seen_at - :s * interval '1 second'",
        s=SILENT_AFTER + 1,
    )
    assert [each.alive for each in seen(database)] == [False]
    reporter._next = 0.0
    reporter.report()
    assert [each.alive for each in seen(database)] == [True]
    reporter.stop()
    assert [(each.alive, each.stopped_at is not None) for each in seen(database)] == [(False, True)]


def test_a_process_that_gets_the_name_of_an_earlier_one_takes_its_place(database: Database) -> None:
    ProcessReporter(database, "relay", name="relay@box:1").report(acted=True, trouble=OSError("away"))
    (earlier,) = seen(database)
    ProcessReporter(database, "relay", name="relay@box:1").report(trouble=OSError("away still"))
    (later,) = seen(database)
    assert later.started_at > earlier.started_at
    assert earlier.trouble_since is not None
    assert later.trouble_since is not None
    assert later.trouble_since > earlier.trouble_since


def test_of_processes_that_are_long_gone_the_last_of_each_kind_and_queue_is_remembered(database: Database) -> None:
    for name, queue in (("a", "email_queue"), ("b", "email_queue"), ("c", "user_queue")):
        ProcessReporter(database, "worker", name=name, queue=queue).report()
    ProcessReporter(database, "relay", name="d").report()
    change(database, "UPDATE gristmill.process_reports SET seen_at = seen_at - interval '2 hours'")
    with database.transaction() as session:
        delete_silent(session)
    assert {each.name for each in seen(database)} == {"b", "c", "d"}
    assert [each.name for each in seen(database, kind="worker", queue="email_queue")] == ["b"]


def test_a_report_that_cannot_be_written_stops_nobody() -> None:
    with reached("postgresql://nobody@127.0.0.1:1/nowhere") as nowhere:
        ProcessReporter(nowhere, "relay").report()


def test_a_relay_tells_since_when_its_broker_is_away_and_when_it_is_back(database_url: str, make: Make) -> None:
    broker = make(Valkey)
    assert isinstance(broker, Valkey)
    broker.start(120)
    with reached(database_url, environment={"GRISTMILL_BROKER_URL": broker.url}, relay_poll=0.01) as database:
        relay = Relay(
            database.settings, database, make_publisher(make_app(database.settings), database.settings), Stop()
        )
        relay.tick()
        assert [each.trouble for each in seen(database)] == [None]
        broker.stop()
        post(database, "demo.echo", message="m")
        for _ in range(2):
            with pytest.raises(BROKER_AWAY):
                relay.tick()
        (report,) = seen(database, kind="relay")
        assert report.alive
        assert report.trouble is not None
        broker.start(120)
        relay.tick()
        (report,) = seen(database, kind="relay")
        assert (report.trouble, report.acted_at is not None) == (None, True)
        relay.close()
        assert [each.alive for each in seen(database)] == [False]


def test_the_children_of_a_worker_count_in_memory_that_they_share(database: Database) -> None:
    counter = AttemptCounter(2)
    for child, jobs in enumerate((3, 4)):
        if (pid := os.fork()) == 0:
            counter.add(child, jobs)
            os._exit(0)
        os.waitpid(pid, 0)
    reporter = WorkerReporter(ProcessReporter(database, "worker", queue="email_queue", children=2), counter)
    reporter.report()
    (report,) = seen(database, kind="worker", queue="email_queue")
    assert (report.jobs_a_minute, report.children, report.acted_at is not None) == (7, 2, True)


def test_a_thread_reports_for_the_worker_until_it_ends(database: Database) -> None:
    reporter = WorkerReporter(ProcessReporter(database, "worker", queue="email_queue"), AttemptCounter(1), every=5.0)
    reporter.tell(OSError("away"))
    reporter.stop()
    (report,) = seen(database)
    assert (report.trouble, report.alive) == ("OSError: away", False)
