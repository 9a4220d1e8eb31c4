"""Jobs and dead letters by a filter over HTTP: searched, counted, cancelled, redriven; nobody's but the asker's."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

import pytest
from flask.testing import FlaskClient
from sqlalchemy import text

from gristmill.shared.audit.queries import list_acts
from gristmill.shared.base.principal import ADMIN, OPERATOR
from gristmill.shared.database.connect import Database
from gristmill.shared.jobs.moves import claim, succeed
from tests.integration.ingress.conftest import Headers, KeyMaker
from tests.integration.ingress.dead import make_dead, make_malformed
from tests.integration.ingress.rows import jobs_locked

SCOPES = ("jobs:read", "jobs:write", "dead_letters:write")
EVERYBODYS = {"or": [{"field": "task", "like": "%"}, {"not": {"field": "task", "like": "%"}}]}
Ask = Callable[..., Any]


@pytest.fixture
def mine(make_key: KeyMaker) -> Headers:
    return make_key(*SCOPES, name="mine")


@pytest.fixture
def ask(client: FlaskClient) -> Ask:
    """Post to a path of the API; the answer's JSON, whose status is as expected."""

    def ask(path: str, headers: Headers, status: int = 200, **body: Any) -> Any:
        answer = client.post(f"/api/v1/{path}", json=body, headers=headers)
        assert answer.status_code == status, answer.get_data(as_text=True)
        return answer.get_json()

    return ask


def post(client: FlaskClient, headers: Headers, number: int = 1, **more: Any) -> list[str]:
    body = {"task": "demo.echo", "args": {"message": "hello"}, **more}
    return [client.post("/api/v1/jobs", json=body, headers=headers).get_json()["id"] for _ in range(number)]


def start(database: Database, *ids: str) -> None:
    with database.transaction() as session:
        assert len(claim(session, [UUID(each) for each in ids], worker="w1", lease=9)) == len(ids)


def state(client: FlaskClient, headers: Headers, job_id: str) -> str:
    return str(client.get(f"/api/v1/jobs/{job_id}", headers=headers).get_json()["state"])


def test_jobs_are_searched_page_by_page_and_counted(client: FlaskClient, mine: Headers, ask: Ask) -> None:
    red, blue = post(client, mine, 3, tags=["red"]), post(client, mine, 2, tags=["blue"], delay=60)
    where = {"or": [{"field": "tags", "contains": "red"}, {"field": "state", "in": ["scheduled"]}]}
    first = ask("jobs/search", mine, where=where, limit=3)
    rest = ask("jobs/search", mine, where=where, limit=3, cursor=first["next_cursor"])
    assert [job["id"] for job in first["items"] + rest["items"]] == [*reversed(red + blue)]
    assert rest["next_cursor"] is None
    assert ask("jobs/count", mine, where=where) == {"count": 5, "more": False}
    assert ask("jobs/count", mine, where={"not": where}) == {"count": 0, "more": False}
    assert ask("jobs/count", mine, where=where, state="queued") == {"count": 3, "more": False}
    assert client.post("/api/v1/jobs/count", headers=mine).get_json()["count"] == 5


def test_the_query_of_a_list_is_the_same_filter(client: FlaskClient, mine: Headers, ask: Ask) -> None:
    post(client, mine, 2, tags=["red"])
    post(client, mine, priority="high")
    now = client.get("/api/v1/jobs", headers=mine).get_json()["items"][0]["created_at"]
    for query, where in (
        ("state=queued", {"field": "state", "eq": "queued"}),
        ("queue=priority_queue", {"field": "priority", "eq": "high"}),
        ("tag=red", {"field": "tags", "contains": "red"}),
        (f"created_before={now}", {"field": "created_at", "lt": now}),
        (f"created_after={now}", {"field": "created_at", "gt": now}),
    ):
        listed = client.get(f"/api/v1/jobs?{query}", headers=mine).get_json()
        assert listed == ask("jobs/search", mine, where=where), query


def test_a_count_ends_at_its_bound(
    client: FlaskClient, mine: Headers, ask: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gristmill.shared.database.bounded_count.MOST_COUNTED", 2)
    post(client, mine, 2)
    assert ask("jobs/count", mine) == {"count": 2, "more": False}
    post(client, mine)
    assert ask("jobs/count", mine) == {"count": 2, "more": True}


@pytest.mark.parametrize("path", ["jobs/search", "jobs/count", "dead-letters/search", "dead-letters/count"])
def test_a_filter_that_takes_too_long_is_refused_and_told_how_to_be_faster(
    client: FlaskClient, mine: Headers, ask: Ask, path: str, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert client.get("/api/v1/jobs", headers=mine).status_code == 200  # so that the key needs no look
    monkeypatch.setattr("gristmill.shared.database.timeouts.STATEMENT_SECONDS", 0.2)
    with jobs_locked(database, reads=True):
        error = ask(path, mine, 422, where=EVERYBODYS)["error"]
    assert error["code"] == "FILTER_TOO_SLOW_001"
    assert "created_at" in error["details"]["where"][0]


@pytest.mark.parametrize("path", ["jobs/search", "jobs/count", "jobs/cancel"])
def test_a_wrong_filter_is_refused_by_its_path(client: FlaskClient, mine: Headers, ask: Ask, path: str) -> None:
    wrong = {"and": [{"field": "colour", "eq": 1}, {"field": "state", "eq": "lost"}]}
    assert list(ask(path, mine, 422, where=wrong)["error"]["details"]) == ["where.and.0.field", "where.and.1.eq"]
    assert list(ask(path, mine, 422, where=None)["error"]["details"]) == ["where"]
    assert list(ask(path, mine, 422, where=[])["error"]["details"]) == ["where"]
    assert list(ask(path, mine, 422, colour="red")["error"]["details"]) == ["colour"]


def test_no_filter_reaches_another_producers_jobs(
    client: FlaskClient, make_key: KeyMaker, mine: Headers, ask: Ask
) -> None:
    other = make_key(*SCOPES, name="other")
    [theirs] = post(client, other)
    [own] = post(client, mine)
    assert [job["id"] for job in ask("jobs/search", mine, where=EVERYBODYS)["items"]] == [own]
    assert ask("jobs/count", mine, where=EVERYBODYS)["count"] == 1
    assert ask("jobs/count", mine, where={"not": {"field": "id", "eq": own}})["count"] == 0
    assert ask("jobs/cancel", mine, where=EVERYBODYS)["cancelled"] == 1
    assert ask("jobs/cancel", mine, all=True)["cancelled"] == 0
    assert (state(client, mine, own), state(client, other, theirs)) == ("cancelled", "queued")


def test_who_posted_a_job_is_a_field_for_admins_and_operators(
    client: FlaskClient, make_key: KeyMaker, mine: Headers, ask: Ask, database: Database
) -> None:
    [job] = post(client, mine)
    post(client, make_key(*SCOPES, name="other"))
    with database.transaction() as session:
        producer = session.execute(text("SELECT id FROM gristmill.producers WHERE name = 'mine'")).scalar_one()
    where = {"field": "producer_id", "eq": str(producer)}
    assert list(ask("jobs/search", mine, 422, where=where)["error"]["details"]) == ["where.field"]
    for scope in (ADMIN, OPERATOR):
        found = ask("jobs/search", make_key(scope, name=scope), where=where)
        assert [each["id"] for each in found["items"]] == [job]
        assert ask("jobs/count", make_key(scope, name=scope))["count"] == 2


def test_jobs_are_cancelled_by_a_filter_after_a_dry_run(
    client: FlaskClient, mine: Headers, ask: Ask, database: Database
) -> None:
    queued, later, other = post(client, mine, 2), post(client, mine, delay=60), post(client, mine, tags=["keep"])
    running, done = post(client, mine, 2)
    start(database, running, done)
    with database.transaction() as session:
        assert succeed(session, [(UUID(done), 1, None)])
    wanted = {"where": {"not": {"field": "tags", "contains": "keep"}}, "task": "demo.echo"}
    dry = ask("jobs/cancel", mine, **wanted, dry_run=True)
    assert (dry["dry_run"], dry["matched"], dry["cancelled"], dry["asked"]) == (True, 4, 0, 0)
    assert {job["id"] for job in dry["sample"]} == {*queued, *later, running}
    cancelled = ask("jobs/cancel", mine, **wanted)
    assert {name: cancelled[name] for name in ("matched", "cancelled", "asked", "skipped", "more", "sample")} == {
        "matched": 4, "cancelled": 3, "asked": 1, "skipped": 0, "more": False, "sample": [],
    }  # fmt: skip
    assert {state(client, mine, each) for each in queued + later} == {"cancelled"}
    assert [state(client, mine, each) for each in (*other, running, done)] == ["queued", "running", "succeeded"]
    assert client.get(f"/api/v1/jobs/{running}", headers=mine).get_json()["cancel_requested_at"] is not None
    with database.transaction() as session:
        [act] = list_acts(session, "jobs")
    assert (act.actor, act.action, act.details["cancelled"], act.details["asked"]) == ("mine", "jobs.cancel", 3, 1)
    assert {"field": "task", "eq": "demo.echo"} in act.details["filter"]["and"]
    again = ask("jobs/cancel", mine, **wanted)
    assert (again["matched"], again["more"]) == (0, False)


def test_a_cancel_ends_at_its_limit_and_says_that_there_is_more(client: FlaskClient, mine: Headers, ask: Ask) -> None:
    post(client, mine, 3)
    first, second = (ask("jobs/cancel", mine, state="queued", limit=2) for _ in range(2))
    assert [(each["cancelled"], each["more"]) for each in (first, second)] == [(2, True), (1, False)]


@pytest.mark.parametrize("body", [{}, {"all": False}, {"all": True, "task": "demo.echo"}, {"all": "yes"}, {"limit": 5}])
def test_everything_is_not_cancelled_by_mistake(
    client: FlaskClient, mine: Headers, ask: Ask, body: dict[str, Any]
) -> None:
    [job] = post(client, mine)
    ask("jobs/cancel", mine, 422, **body)
    assert state(client, mine, job) == "queued"


def test_each_act_needs_its_scope(client: FlaskClient, make_key: KeyMaker, ask: Ask) -> None:
    reader, writer = make_key("jobs:read", name="reader"), make_key("jobs:write", name="writer")
    for path in ("jobs/search", "jobs/count", "dead-letters/search", "dead-letters/count"):
        ask(path, reader)
        ask(path, writer, 403)
    ask("jobs/cancel", reader, 403, all=True)
    ask("jobs/cancel", writer, all=True)


def test_dead_letters_are_searched_counted_and_redriven_by_a_filter(
    client: FlaskClient, make_key: KeyMaker, mine: Headers, ask: Ask, database: Database
) -> None:
    red, blue = (make_dead(client, mine, database, tags=[tag])[1] for tag in ("red", "blue"))
    make_malformed(database, b"?")
    where = {"and": [{"field": "error_message", "like": "%451%"}, {"field": "tags", "contains": "red"}]}
    assert [letter["id"] for letter in ask("dead-letters/search", mine, where=where)["items"]] == [red]
    assert ask("dead-letters/count", mine, where={"not": where}) == {"count": 1, "more": False}
    assert ask("dead-letters/count", make_key(ADMIN, name="admin"), where={"not": where}) == {"count": 2, "more": False}
    assert ask("dead-letters/count", make_key(*SCOPES, name="other"))["count"] == 0
    dry = ask("dead-letters/redrive", mine, where=where, dry_run=True)
    assert (dry["matched"], [letter["id"] for letter in dry["sample"]]) == (1, [red])
    assert ask("dead-letters/redrive", mine, where=where, task="demo.echo")["redriven"] == 1
    assert [letter["id"] for letter in ask("dead-letters/search", mine, resolution="open")["items"]] == [blue]
    redriven = {"field": "resolution", "eq": "redriven"}
    assert [letter["id"] for letter in ask("dead-letters/search", mine, where=redriven)["items"]] == [red]
    assert list(ask("dead-letters/redrive", mine, 422, where={"field": "state", "eq": "dead"})["error"]["details"]) == [
        "where.field"
    ]


def test_groups_are_paged_largest_first_without_gaps(client: FlaskClient, mine: Headers, database: Database) -> None:
    for number, key in ((2, "a"), (1, "b"), (1, "c"), (3, "d")):
        for _ in range(number):
            make_dead(client, mine, database)
            with database.transaction() as session:
                session.execute(
                    text("UPDATE gristmill.dead_letters SET fingerprint = :key WHERE length(fingerprint) > 1"),
                    {"key": key},
                )
    found, cursor = [], ""
    while True:
        page = client.get(f"/api/v1/dead-letters/groups?limit=1{cursor}", headers=mine).get_json()
        found += [(group["fingerprint"], group["count"]) for group in page["items"]]
        if page["next_cursor"] is None:
            break
        cursor = f"&cursor={page['next_cursor']}"
    assert found == [("d", 3), ("a", 2), ("c", 1), ("b", 1)]
    for wrong in ("!", "AAAA", "MSAyIDM", page["items"][0]["sample"]["id"]):
        assert client.get(f"/api/v1/dead-letters/groups?cursor={wrong}", headers=mine).status_code == 422, wrong
