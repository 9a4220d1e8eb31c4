"""From a request to what a person gets: over HTTP, the outbox, a broker, workers and SMTP."""

from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from uuid_utils.compat import uuid7

from gristmill.client.webhooks import verify_callback
from gristmill.services.mailcatcher_process import MailCatcher
from gristmill.services.service import Service
from gristmill.shared.states import State
from tests import platform_tasks as tasks
from tests.acceptance.conftest import MakeMill, Mill
from tests.conftest import revive
from tests.eventually import eventually
from tests.factories import attempts, find, have_ended, post, state
from tests.integration.tasks.http_servers import Receiver, http_server

pytestmark = pytest.mark.timeout(600)


@pytest.fixture(scope="module")
def mill_of_module(make_mill: MakeMill, broker: tuple[Service, str]) -> Mill:
    mill = make_mill(*broker)
    mill.cluster.relay()
    mill.cluster.maintenance()
    mill.cluster.worker("user_queue", concurrency=1)
    mill.cluster.worker("email_queue", concurrency=1)
    mill.cluster.worker("data_processing_queue", concurrency=1)
    mill.cluster.worker("notification_queue", concurrency=1)
    mill.cluster.web()
    return mill


@pytest.fixture
def mill(mill_of_module: Mill) -> Iterator[Mill]:
    mill_of_module.up()
    yield mill_of_module
    print(mill_of_module.cluster.tails)  # noqa: T201  seen when the test failed


@pytest.fixture
def address() -> str:
    """Whom this test writes to."""
    return f"{uuid7().hex}@mill.example"


def mails(catcher: MailCatcher, to: str) -> list[dict[str, Any]]:
    answer = httpx.get(f"{catcher.url}/mail", params={"to": to}, trust_env=False, timeout=60).raise_for_status()
    found: list[dict[str, Any]] = answer.json()["messages"]
    return found


def test_a_new_account_leads_to_one_verification_mail(
    mill: Mill, mailcatcher_server: MailCatcher, address: str
) -> None:
    person = {"email": address, "password": "Correct-horse-1", "full_name": "Ada Lovelace"}
    body = {"task": "user.create", "args": person}
    headers = mill.make_key() | {"Idempotency-Key": uuid7().hex}
    url = f"{mill.cluster.url}/api/v1/jobs"
    answers = [httpx.post(url, json=body, headers=headers, trust_env=False, timeout=60) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [202, 202]
    assert answers[0].json()["id"] == answers[1].json()["id"]
    assert "Correct-horse-1" not in str(find(mill.database, answers[0].json()["id"]).args)
    eventually(lambda: mails(mailcatcher_server, address), within=60)
    shown: dict[str, Any] = {}

    def both_have_ended() -> bool:
        shown.update(httpx.get(f"{url}/{answers[0].json()['id']}", headers=headers, trust_env=False, timeout=60).json())
        return shown["state"] == "succeeded" and all(have_ended(mill.database, each) for each in shown["children"])

    eventually(both_have_ended)
    assert len(shown["children"]) == 1
    assert len(mails(mailcatcher_server, address)) == 1


def test_a_mail_whose_worker_is_killed_while_the_server_is_silent_is_sent_once(
    mill: Mill, mailcatcher_server: MailCatcher, address: str
) -> None:
    mailcatcher_server.pause()
    job = post(mill.database, tasks.send_email, to=address, subject="Patience", text="It comes once.")
    eventually(lambda: state(mill.database, job) == State.RUNNING)
    lease = find(mill.database, job).lease_until
    eventually(lambda: find(mill.database, job).lease_until != lease)  # it beats while it waits for the world
    mill.cluster.members["email_queue"].kill()
    revive(mailcatcher_server)
    mill.cluster.up()
    eventually(lambda: have_ended(mill.database, job), within=120)
    assert state(mill.database, job) == State.SUCCEEDED
    assert {attempt.outcome for attempt in attempts(mill.database, job)} == {"lost"}
    assert len(mails(mailcatcher_server, address)) == 1


def test_the_end_of_a_job_is_told_to_its_callback_url(mill: Mill) -> None:
    receiver, api = Receiver(), f"{mill.cluster.url}/api/v1"
    headers = mill.make_key()
    secret = httpx.post(f"{api}/webhook-secret", headers=headers, trust_env=False, timeout=60).json()["secret"]
    jobs = {"demo.echo": {"message": "m"}, "demo.fail": {"times": -1, "kind": "permanent"}}
    with http_server(receiver) as url:
        for task, args in jobs.items():
            body = {"task": task, "args": args, "callback_url": url}
            answer = httpx.post(f"{api}/jobs", json=body, headers=headers, trust_env=False, timeout=60)
            assert answer.status_code == httpx.codes.ACCEPTED, answer.text
        eventually(lambda: len(receiver.bodies) >= len(jobs), within=60)
    told = [verify_callback(heard, body, secret) for heard, body in zip(receiver.heard, receiver.bodies, strict=True)]
    assert {each["data"]["task"]: each["type"] for each in told} == {
        "demo.echo": "job.succeeded",
        "demo.fail": "job.dead",
    }
