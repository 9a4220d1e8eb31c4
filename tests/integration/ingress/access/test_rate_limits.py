"""Rates are exact over threads and processes while Valkey is there, and go on in each process while it is away."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from uuid import uuid4

import pytest
from flask.testing import FlaskClient

from gristmill.ingress.access.rate_counters import Rate, RateCounters
from gristmill.ingress.app import create_app
from gristmill.shared.database.connect import Database
from gristmill.shared.settings import Secret, Settings
from tests.factories import change

KeyMaker = Callable[..., dict[str, str]]
SLOW = Rate(0.05, 10)  # ten at once, then one in twenty seconds: no test lasts that long


@pytest.fixture
def shared(settings: Settings, fresh_valkey_url: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings with a Valkey, which is waited for; those of the fixture `settings` have none."""
    monkeypatch.setattr("gristmill.ingress.access.rate_counters.PATIENCE", 50.0)
    return replace(settings, redis_url=Secret(fresh_valkey_url()))


@pytest.mark.parametrize(
    ("rate", "amount", "seconds"),
    [
        (Rate(10), 10, 1),
        (Rate(10, 50), 50, 5),
        (Rate(0.5), 1, 2),
        (Rate(0.3, 3), 3, 10),
        (Rate(100, 1), 100, 1),
        (SLOW, 10, 200),
    ],
)
def test_a_rate_is_a_number_of_requests_in_a_moving_window(rate: Rate, amount: int, seconds: int) -> None:
    assert (rate.item.amount, rate.item.get_expiry()) == (amount, seconds)


def test_many_threads_and_two_processes_share_one_rate_exactly(shared: Settings) -> None:
    processes = [
        RateCounters(shared),
        RateCounters(shared),
    ]  # each with its own connections and nothing in common but Valkey
    producer = uuid4()
    with ThreadPoolExecutor(16) as pool:
        standings = list(pool.map(lambda number: processes[number % 2].count_request(producer, SLOW), range(200)))
    assert sum(standing.allowed for standing in standings) == 10
    assert all(standing.remaining == 0 for standing in standings if not standing.allowed)
    assert processes[0].count_request(uuid4(), SLOW).allowed  # another producer's is its own
    assert sum(each.fallbacks for each in processes) == 0


def test_a_process_counts_by_itself_while_valkey_is_away(settings: Settings) -> None:
    own, producer = RateCounters(settings), uuid4()
    allowed = [own.count_request(producer, SLOW).allowed for _ in range(30)]
    assert allowed == [True] * 10 + [False] * 20
    assert own.fallbacks == 30


def test_a_key_beyond_its_rate_is_told_when_to_come_again_and_stores_nothing(
    shared: Settings, database: Database, make_key: KeyMaker
) -> None:
    headers = make_key("jobs:read", "jobs:write")
    change(database, "UPDATE gristmill.producers SET rate = 0.01, burst = 2")
    client: FlaskClient = create_app(shared, database).test_client()
    body = {"task": "demo.echo", "args": {"message": "m"}}
    answers = [client.post("/api/v1/jobs", json=body, headers=headers) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [202, 202, 429]
    assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert answers[0].headers["RateLimit-Limit"] == "2"
    refused = answers[2]
    assert (refused.json or {})["error"]["code"] == "RATE_LIMITED_001"
    assert refused.headers["Retry-After"] == refused.headers["RateLimit-Reset"]
    assert 100 < int(refused.headers["Retry-After"]) <= 200
    listed = create_app(shared, database).test_client().get("/api/v1/jobs", headers=make_key("admin", name="root"))
    assert len((listed.json or {})["items"]) == 2
    assert "RateLimit-Limit" not in listed.headers  # a key without a rate asks nobody


def test_an_address_that_guesses_keys_is_slowed_down_and_a_good_key_from_there_is_not(
    shared: Settings, database: Database, make_key: KeyMaker
) -> None:
    client = create_app(shared, database).test_client()
    wrong = {"Authorization": "Bearer gm_000000000000_" + "A" * 43}
    statuses = [client.get("/api/v1/jobs", headers=wrong).status_code for _ in range(shared.wrong_keys + 1)]
    assert statuses == [401] * shared.wrong_keys + [429]
    assert client.get("/api/v1/jobs", headers=make_key("jobs:read")).status_code == 200
    elsewhere = client.get("/api/v1/jobs", headers=wrong, environ_base={"REMOTE_ADDR": "192.0.2.7"})
    assert elsewhere.status_code == 401


@pytest.mark.parametrize(("proxies", "status"), [(0, 429), (1, 401)])
def test_the_address_behind_a_proxy_is_believed_only_where_a_proxy_is_declared(
    shared: Settings, database: Database, proxies: int, status: int
) -> None:
    client = create_app(replace(shared, trusted_proxies=proxies), database).test_client()
    wrong = {"Authorization": "Bearer gm_000000000000_" + "A" * 43}
    for _ in range(shared.wrong_keys):
        client.get("/api/v1/jobs", headers=wrong | {"X-Forwarded-For": "192.0.2.1"})
    other = client.get("/api/v1/jobs", headers=wrong | {"X-Forwarded-For": "192.0.2.2"})
    assert other.status_code == status
