"""The table of tasks: each process writes what it knows when it starts, and nothing where nothing has changed."""

from typing import Any

import pytest
from marshmallow import Schema, fields
from sqlalchemy import text

from gristmill.shared.base.outages import DATABASE_ERRORS
from gristmill.shared.database.connect import Database
from gristmill.shared.plugins.declare_tasks import declare_tasks, task_names
from gristmill.shared.queues import PRIORITY_QUEUE
from gristmill.shared.settings import Settings
from gristmill.shared.task import Task, registry
from gristmill.workers.report import ProcessReporter
from tests.eventually import eventually
from tests.factories import change, declared, reached
from tests.integration.ingress.conftest import served, settings_for


@pytest.fixture
def database(database_url: str) -> Any:
    """A database in which no process has started yet."""
    with reached(database_url, demo_tasks=True) as database:
        yield database


def rows(database: Database, query: str, **values: Any) -> list[Any]:
    with database.transaction() as session:
        return list(session.execute(text(query), values))


def of_one(ctx: Any, *, one: object) -> None:
    """Do nothing with one argument."""


def of_two(ctx: Any, *, one: int, two: str) -> None:
    """Do nothing with two arguments."""


def row_of(database: Database, name: str) -> Any:
    (row,) = rows(database, "SELECT *, xmin::text FROM gristmill.tasks WHERE name = :name", name=name)
    return row


def test_a_task_is_written_with_all_that_the_database_checks_a_job_by(database: Database, invoice: Task) -> None:
    declare_tasks(database)
    row = row_of(database, "invoice.send")
    assert (row.queue, row.time_to_live, row.max_attempts) == ("email_queue", invoice.queue.time_to_live, 3)
    assert (row.priority_queue, row.priority_time_to_live) == (PRIORITY_QUEUE.name, PRIORITY_QUEUE.time_to_live)
    assert (row.internal, row.plugin) == (False, None)
    assert row.arguments["number"] == {"types": ["integer"], "required": True}
    assert row.arguments["note"] == {"types": ["null", "string"]}
    assert row.arguments["password"] == {"types": ["null", "string"], "secret": True}
    assert row_of(database, "email.send").plugin == "mail"
    assert row_of(database, "webhook.deliver").internal


def test_a_start_that_changes_nothing_writes_nothing(database: Database) -> None:
    declare_tasks(database)
    before = rows(database, "SELECT name, xmin::text FROM gristmill.tasks ORDER BY name")
    declare_tasks(database)
    assert rows(database, "SELECT name, xmin::text FROM gristmill.tasks ORDER BY name") == before


def test_a_start_an_hour_later_says_that_the_task_is_still_declared(database: Database) -> None:
    declare_tasks(database)
    change(database, "UPDATE gristmill.tasks SET declared_at = declared_at - interval '61 minutes'")
    before = row_of(database, "demo.echo")
    declare_tasks(database)
    after = row_of(database, "demo.echo")
    assert after.declared_at > before.declared_at
    assert after.changed_at == before.changed_at


def test_another_contract_replaces_the_former_and_says_when(database: Database) -> None:
    with declared(of_one, name="shop.run"):
        declare_tasks(database)
    before = row_of(database, "shop.run")
    with declared(
        of_two,
        name="shop.run",
        args=Schema.from_dict({"one": fields.Integer(required=True), "two": fields.String(required=True)}),
        queue="user_queue",
    ):
        declare_tasks(database)
    after = row_of(database, "shop.run")
    assert (before.queue, after.queue) == ("data_processing_queue", "user_queue")
    assert after.arguments.keys() == {"one", "two"}
    assert after.changed_at > before.changed_at


def test_a_task_that_is_gone_from_the_code_stays_and_keeps_its_age(database: Database) -> None:
    with declared(of_one, name="shop.run"):
        declare_tasks(database)
    before = row_of(database, "shop.run")
    assert registry.find("shop.run") is None
    declare_tasks(database)
    assert row_of(database, "shop.run") == before


def test_demo_tasks_are_only_written_where_they_are_on(database_url: str) -> None:
    with reached(database_url, demo_tasks=False) as database:
        declare_tasks(database)
        assert rows(database, "SELECT FROM gristmill.tasks WHERE name LIKE 'demo.%'") == []
        assert rows(database, "SELECT FROM gristmill.tasks WHERE name = 'email.send'")


def test_the_first_report_of_a_process_declares_its_tasks_and_names_them(database: Database) -> None:
    reporter = ProcessReporter(database, "worker", name="w", queue="email_queue")
    reporter.report()
    assert {row.name for row in rows(database, "SELECT name FROM gristmill.tasks")} == set(task_names())
    reporter.report(trouble=ConnectionError())
    (report,) = rows(database, "SELECT tasks, trouble FROM gristmill.process_reports")
    assert report.trouble is not None
    assert set(report.tasks) == set(task_names())


def test_a_process_declares_its_tasks_when_the_table_is_there_at_last(database: Database) -> None:
    change(database, "ALTER TABLE gristmill.tasks RENAME TO tasks_of_tomorrow")
    with pytest.raises(DATABASE_ERRORS):
        declare_tasks(database)
    reporter = ProcessReporter(database, "relay", name="r")
    reporter.report()
    assert rows(database, "SELECT name FROM gristmill.process_reports") == [("r",)]
    change(database, "ALTER TABLE gristmill.tasks_of_tomorrow RENAME TO tasks")
    reporter.report(trouble=ConnectionError())
    assert rows(database, "SELECT FROM gristmill.tasks")


def test_the_ingress_declares_its_tasks_when_it_starts(
    monkeypatch: pytest.MonkeyPatch, database_url: str, database: Database
) -> None:
    settings: Settings = settings_for(monkeypatch, database_url)
    with served(settings):
        eventually(lambda: rows(database, "SELECT FROM gristmill.tasks WHERE name = 'email.send'"))
