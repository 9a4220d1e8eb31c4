"""A job whose task no running worker of its queue knows is accepted with a warning."""

from typing import Any

import pytest
from flask.testing import FlaskClient

from gristmill.ingress.accepting.known_tasks import KnownTasks
from gristmill.ingress.services import services_of
from gristmill.shared.database.connect import Database
from gristmill.shared.operating.queries_process_reports import StatusReport, write_report
from tests.factories import change
from tests.integration.ingress.conftest import Headers
from tests.integration.ingress.dead import ECHO

DATA = "data_processing_queue"


def report(database: Database, tasks: list[str] | None, *, name: str = "w@h:1", queue: str = DATA) -> None:
    with database.transaction() as session:
        write_report(session, StatusReport(name=name, kind="worker", queue=queue, first=True, tasks=tasks))


def warnings(database: Database) -> list[str]:
    return KnownTasks(database).warnings("demo.echo", DATA)


def test_a_worker_without_the_task_is_warned_of_and_one_with_it_is_not(database: Database) -> None:
    report(database, ["demo.fail"])
    (warning,) = warnings(database)
    assert warning.startswith(f"No worker of {DATA} that reported in the last minute knows demo.echo: the job waits")
    report(database, ["demo.echo", "demo.fail"], name="w@h:2")
    assert warnings(database) == []


@pytest.mark.parametrize("case", ["none", "another queue", "stopped", "long ago", "an old version"])
def test_nothing_is_said_where_nothing_is_known(database: Database, case: str) -> None:
    if case != "none":
        report(
            database,
            None if case == "an old version" else ["demo.fail"],
            queue="email_queue" if case == "another queue" else DATA,
        )
    if case == "stopped":
        change(database, "UPDATE gristmill.process_reports SET stopped_at = clock_timestamp()")
    if case == "long ago":
        change(database, "UPDATE gristmill.process_reports SET seen_at = clock_timestamp() - interval '61 seconds'")
    assert warnings(database) == []


def test_the_answer_to_a_post_has_the_warning_and_the_job_is_stored(
    client: FlaskClient, key: Headers, database: Database
) -> None:
    report(database, ["demo.fail"])
    answer = client.post("/api/v1/jobs", json=ECHO, headers=key)
    assert answer.status_code == 202
    posted: dict[str, Any] = answer.get_json()
    assert [each.split(":")[0] for each in posted["warnings"]] == [
        f"No worker of {DATA} that reported in the last minute knows demo.echo"
    ]
    assert client.get(f"/api/v1/jobs/{posted['id']}", headers=key).status_code == 200


def test_the_reports_are_read_once_in_some_seconds(client: FlaskClient, database: Database) -> None:
    known = services_of(client.application).known_tasks
    assert known.warnings("demo.echo", DATA) == []
    report(database, ["demo.fail"])
    assert known.warnings("demo.echo", DATA) == []  # what was read a moment ago is good still
