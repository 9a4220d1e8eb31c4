"""A deployment: every process is asked to end and started again, half of them at a time, while jobs keep coming."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from uuid import UUID

import httpx
import pytest
from uuid_utils.compat import uuid7

from gristmill.services.service import Service
from gristmill.shared.states import State
from tests.acceptance.conftest import LONG_LEASE, MakeMill, Mill
from tests.eventually import eventually
from tests.factories import attempts, effects, have_ended, states

DATA = "data_processing_queue"

pytestmark = pytest.mark.timeout(600)


@pytest.fixture
def mill(make_mill: MakeMill, broker: tuple[Service, str]) -> Mill:
    """Two of each, as in production; of the ingress one, since it has the port."""
    mill = make_mill(*broker, GRISTMILL_LEASE=LONG_LEASE)
    for number in ("1", "2"):
        mill.cluster.relay(f"relay-{number}")
        mill.cluster.beat(f"beat-{number}")
        mill.cluster.add(f"maintenance-{number}", "maintenance", sign="maintenance.started")
        mill.cluster.add(f"worker-{number}", "worker", "--queue", DATA, "--concurrency", "2")
    mill.cluster.web()
    mill.up()
    return mill


@contextmanager
def a_producer(mill: Mill, key: str) -> Iterator[list[UUID]]:
    """Post meanwhile, one after the other; a request that gets no answer is sent again under its idempotency key."""
    accepted: list[UUID] = []
    enough = threading.Event()
    headers = mill.make_key()

    def post() -> None:
        while not enough.is_set():
            accepted.append(post_until_answered(f"{mill.cluster.url}/api/v1/jobs", headers, key))

    thread = threading.Thread(target=post)
    thread.start()
    try:
        yield accepted
    finally:
        enough.set()
        thread.join(90)


def post_until_answered(url: str, headers: dict[str, str], key: str) -> UUID:
    body = {"task": "demo.effect", "args": {"key": key}}
    headers = headers | {"Idempotency-Key": uuid7().hex}
    jobs: list[UUID] = []

    def is_accepted() -> bool:
        try:
            answer = httpx.post(url, json=body, headers=headers, trust_env=False, timeout=30)
        except httpx.TransportError:
            return False
        if answer.status_code != 503:
            assert answer.status_code == 202, answer.text
            jobs.append(UUID(answer.json()["id"]))
        return bool(jobs)

    eventually(is_accepted, within=60)
    return jobs[0]


def test_a_rolling_restart_of_every_process_under_load_costs_no_job_and_no_attempt(mill: Mill) -> None:
    key = uuid7().hex
    with a_producer(mill, key) as jobs:
        for wave in ("1", "2", "web"):
            before = len(jobs)
            members = [member for name, member in mill.cluster.members.items() if name.endswith(wave)]
            for member in members:
                member.terminate()
            assert [member.wait() for member in members] == [0] * len(members)
            mill.cluster.up()
            eventually(lambda: len(jobs) > before)  # noqa: B023  called at once
    eventually(lambda: have_ended(mill.database, *jobs), within=120)
    assert set(states(mill.database, *jobs)) == {State.SUCCEEDED}
    assert effects(mill.database, key) == len(jobs) > 3
    ends = {attempt.outcome for job in jobs for attempt in attempts(mill.database, job)}
    assert ends <= {"given_back"}  # no attempt was lost or failed
