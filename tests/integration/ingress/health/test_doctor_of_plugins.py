"""The doctor finds jobs that no code of today takes: of undeclared queues, and of tasks that no worker knows."""

import pytest

from gristmill.commands.doctor import _check_plugins
from gristmill.shared.database.connect import Database
from gristmill.shared.operating.queries_process_reports import StatusReport, write_report
from gristmill.shared.task import registry
from tests.factories import change, post
from tests.platform_tasks import echo


def report(database: Database, tasks: list[str]) -> None:
    with database.transaction() as session:
        status = StatusReport(name="w@h:1", kind="worker", queue="data_processing_queue", first=True, tasks=tasks)
        write_report(session, status)


def test_all_is_well_where_each_task_is_known_or_nobody_reports(database: Database) -> None:
    assert _check_plugins(database.settings) == "demo, mail, records, accounts, notifications"
    report(database, [task.name for task in registry])
    assert "records" in _check_plugins(database.settings)


def test_a_task_that_no_worker_of_its_queue_knows_is_named(database: Database) -> None:
    report(database, [task.name for task in registry if task.name != "demo.echo"])
    with pytest.raises(Exception, match=r"no worker of the last minute knows demo\.echo$"):
        _check_plugins(database.settings)


def test_a_queue_that_is_gone_is_named_while_jobs_wait_in_it(database: Database) -> None:
    post(database, echo, message="m")
    change(database, "UPDATE gristmill.jobs SET queue = 'report_queue'")
    with pytest.raises(Exception, match="jobs wait in report_queue, which no plugin declares"):
        _check_plugins(database.settings)
