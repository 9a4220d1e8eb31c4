"""A team's project beside the platform: its queue, task, schedule, template, channel and route, and no fork."""

import json
import shutil
import urllib.error
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.request import Request, urlopen

import pytest

from gristmill.up.folder import read_exports
from tests.acceptance.ups import START_SECONDS, Up, starting
from tests.eventually import eventually

pytestmark = pytest.mark.timeout(START_SECONDS + 600)
SHOP = Path(__file__).parent / "shop"


def put_shop(folder: Path) -> None:
    shutil.copytree(SHOP, folder, dirs_exist_ok=True)


@pytest.fixture(scope="module")
def up() -> Iterator[Up]:
    with starting(prepare=put_shop) as up:
        up.wait_until_ready()
        yield up


def call(up: Up, method: str, path: str, body: Any = None, *, key: str | None = None) -> tuple[int, Any]:
    key = read_exports(up.data / "env")["GRISTMILL_API_KEY"] if key is None else key
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    data = None if body is None else json.dumps(body).encode()
    asked = Request(f"http://127.0.0.1:{up.port}{path}", method=method, data=data, headers=headers)
    try:
        with urlopen(asked, timeout=60) as answer:  # noqa: S310 - our own
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def test_a_posted_job_runs_in_the_queue_of_the_project_and_its_mail_has_the_projects_template(up: Up) -> None:
    status, job = call(up, "POST", "/api/v1/jobs", {"task": "report.build", "args": {"number": 12}})
    assert (status, job["queue"]) == (202, "report_queue")
    eventually(lambda: up.state_of(job["id"]) == "succeeded", within=60)
    status, listed = call(up, "GET", "/api/v1/queues")
    (queue,) = [each for each in listed["items"] if each["name"] == "report_queue"]
    assert queue["workers"]
    with_mail = f"http://127.0.0.1:{up.mail_port}/mail?to=boss@example.com"
    eventually(lambda: "Report 12" in urlopen(with_mail, timeout=60).read().decode(), within=60)


def test_a_schedule_of_the_project_fires(up: Up) -> None:
    status, pulse = call(up, "GET", "/api/v1/schedules/pulse")
    assert (status, pulse["every"], pulse["task"]) == (200, 1, "report.build")
    eventually(lambda: call(up, "GET", "/api/v1/schedules/pulse/fires")[1]["items"] != [], within=60)


def test_a_template_of_the_project_is_checked_at_the_door(up: Up) -> None:
    args = {"to": "a@example.com", "template": "report", "context": {"number": 1, "totl": "7"}}
    status, refused = call(up, "POST", "/api/v1/jobs", {"task": "email.send", "args": args})
    assert status == 422
    assert refused["error"]["details"] == {
        "args.context.total": ["is missing: report takes note, number, total"],
        "args.context.totl": ["is not known: report takes note, number, total"],
    }


def test_a_channel_of_the_project_is_offered(up: Up) -> None:
    status, task = call(up, "GET", "/api/v1/tasks/notification.send")
    assert status == 200
    assert task["args"]["properties"]["channels"]["items"]["enum"] == ["in_app", "sms", "webhook"]


def test_a_route_of_the_project_enqueues_in_its_transaction_and_needs_the_scope_that_it_declares(up: Up) -> None:
    status, ordered = call(up, "POST", "/shop/orders/5")
    assert status == 201
    eventually(lambda: up.state_of(ordered["job"]) == "succeeded", within=60)
    assert call(up, "POST", "/shop/orders/5", key="")[0] == 401
    document = call(up, "GET", "/openapi.json")[1]
    assert document["paths"]["/shop/orders/{number}"]["post"]["security"] == [
        {"key": ["jobs:write"]}, {"person": ["jobs:write"]},
    ]  # fmt: skip


def test_the_command_knows_the_tasks_and_queues_of_the_project(up: Up) -> None:
    assert "report.build" in up.command("tasks", "list").stdout
    assert "report_queue" in up.command("queues", "list").stdout
    doctor = up.command("doctor", "--wait", "60")
    assert doctor.returncode == 0, doctor.stdout
    assert "2 report_queue" not in doctor.stdout
    assert "1 report_queue" in doctor.stdout
