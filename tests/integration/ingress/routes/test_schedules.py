"""Schedules over HTTP: made, changed, deleted, run and made up for; what could not fire is refused by field."""

from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from gristmill.ingress.http.cursor import BY_NAME
from gristmill.shared.database.clock import read_clock
from gristmill.shared.database.connect import Database
from gristmill.shared.plugins.load import load_plugins
from gristmill.shared.schedules.defaults import sync_schedules
from gristmill.shared.schedules.fire import fire_due
from tests.factories import change, effects
from tests.integration.ingress.conftest import Headers, KeyMaker
from tests.integration.ingress.dead import audited
from tests.integration.ingress.rows import count

PLACE = "/api/v1/schedules"
HOURLY: dict[str, Any] = {"cron": "0 * * * *", "task": "demo.effect", "args": {"key": "{fire_at}"}}


@pytest.fixture
def operator(make_key: KeyMaker) -> Headers:
    return make_key("schedules:read", "schedules:write", name="ada")


def put(client: FlaskClient, headers: Headers, name: str = "hourly", *, expect: int = 201, **body: Any) -> Any:
    answer = client.put(f"{PLACE}/{name}", json=body, headers=headers)
    assert answer.status_code == expect, answer.get_data(as_text=True)
    return answer.get_json()


def now(database: Database) -> datetime:
    with database.transaction() as session:
        return read_clock(session)


def hours_ago(database: Database, hours: float) -> datetime:
    return now(database).replace(minute=0, second=0, microsecond=0) - timedelta(hours=hours)


def backfill(client: FlaskClient, headers: Headers, start: datetime, end: datetime, **more: Any) -> Any:
    body = {"from": start.isoformat(), "to": end.isoformat(), **more}
    return client.post(f"{PLACE}/hourly/backfill", json=body, headers=headers)


def test_a_schedule_is_made_shown_replaced_and_deleted(
    client: FlaskClient, operator: Headers, database: Database
) -> None:
    made = put(client, operator, **HOURLY, timezone="Europe/Berlin")
    assert len(made["next_fires"]) == 5
    assert all(time.endswith(":00:00Z") for time in made["next_fires"])
    assert (made["changed_by"], made["from_code"], made["enabled"]) == ("ada", False, True)
    assert client.get(f"{PLACE}/hourly", headers=operator).get_json() == made
    assert client.get(PLACE, headers=operator).get_json() == {"items": [made], "next_cursor": None}
    same = put(client, operator, expect=200, **HOURLY, timezone="Europe/Berlin")
    assert same == made
    other = put(client, operator, expect=200, every=90, task="demo.echo", args={"message": "m"})
    assert (other["cron"], other["every"], other["timezone"], other["task"]) == (None, 90, "UTC", "demo.echo")
    assert client.delete(f"{PLACE}/hourly", headers=operator).status_code == 204
    assert client.get(f"{PLACE}/hourly", headers=operator).status_code == 404
    acts = [("ada", f"schedule.{act}") for act in ("create", "change", "delete")]
    assert audited(database) == acts


def test_twins_that_make_a_schedule_at_once_make_one(app: Flask, operator: Headers, database: Database) -> None:
    def ask(_: int) -> int:
        return app.test_client().put(f"{PLACE}/hourly", json=HOURLY, headers=operator).status_code

    with ThreadPoolExecutor(4) as pool:
        assert sorted(pool.map(ask, range(4))) == [200, 200, 200, 201]


@pytest.mark.parametrize(
    ("changes", "field", "told"),
    [
        ({"cron": "61 * * * *"}, "cron", "Bad minute"),
        ({"cron": "every hour"}, "cron", "0 * * * *"),
        ({"cron": None}, "cron", "may not be null"),
        ({"every": 60}, "every", "not both"),
        ({"timezone": "Mars/Olympus"}, "timezone", "Europe/Berlin"),
        ({"task": "demo.of_yesterday"}, "task", "unknown task"),
        ({"args": {"kee": 1}}, "args.kee", "Unknown field"),
        ({"task": "user.create", "args": {}}, "args.password", "secret"),
        ({"catch_up": "some"}, "catch_up", "Must be one of"),
        ({"overlap": True}, "overlap", "Not a valid string"),
        ({"enabled": "yes"}, "enabled", "Not a valid boolean"),
        ({"colour": "red"}, "colour", "Unknown field"),
    ],
)
def test_what_could_not_fire_is_refused_by_field_and_stores_nothing(
    client: FlaskClient, operator: Headers, database: Database, changes: dict[str, Any], field: str, told: str
) -> None:
    answer = client.put(f"{PLACE}/hourly", json=HOURLY | changes, headers=operator)
    assert answer.status_code == 422
    error = answer.get_json()["error"]
    assert field in error["details"], error
    assert told in error["message"] + str(error["details"])
    assert client.get(PLACE, headers=operator).get_json()["items"] == []


def test_a_name_that_nothing_can_have_is_404(client: FlaskClient, operator: Headers) -> None:
    for name in ("none", "%00", "%ff", "x" * 2_000, "..%2f"):
        for method, path in (("GET", name), ("GET", f"{name}/fires"), ("DELETE", name), ("POST", f"{name}/run")):
            assert client.open(f"{PLACE}/{path}", method=method, headers=operator).status_code == 404, path


def test_a_schedule_has_a_plain_name_and_a_rule(client: FlaskClient, operator: Headers) -> None:
    for name in ("Hourly", "-x", "a b", "x" * 101, "ü"):
        assert client.put(f"{PLACE}/{name}", json=HOURLY, headers=operator).status_code == 422, name
    answer = client.put(f"{PLACE}/x", json={"task": "demo.echo", "args": {"message": "m"}}, headers=operator)
    assert "cron" in answer.get_json()["error"]["details"]


def test_a_change_touches_what_it_names_and_takes_the_other_rule_away(client: FlaskClient, operator: Headers) -> None:
    made = put(client, operator, **HOURLY, overlap="skip")

    def patch(**body: Any) -> Any:
        return client.patch(f"{PLACE}/hourly", json=body, headers=operator)

    changed = patch(every=30).get_json()
    assert (changed["cron"], changed["every"], changed["overlap"]) == (None, 30, "skip")
    back = patch(cron="0 * * * *").get_json()
    assert (back["cron"], back["every"], back["next_fires"]) == (made["cron"], None, made["next_fires"])
    off = patch(enabled=False).get_json()
    assert (off["enabled"], off["next_fires"]) == (False, [])
    assert patch().status_code == 422
    assert "args.key" in patch(args={}).get_json()["error"]["details"]
    assert client.patch(f"{PLACE}/other", json={"enabled": False}, headers=operator).status_code == 404


def test_what_was_due_while_it_was_off_is_not_made_up_for(
    client: FlaskClient, operator: Headers, database: Database
) -> None:
    put(client, operator, **HOURLY, catch_up="all")
    client.patch(f"{PLACE}/hourly", json={"enabled": False}, headers=operator)
    change(database, "UPDATE gristmill.schedules SET next_fire_at = next_fire_at - interval '5 hours'")
    client.patch(f"{PLACE}/hourly", json={"enabled": True}, headers=operator)
    with database.transaction() as session:
        assert fire_due(session) == {}


def test_a_schedule_is_run_by_hand_also_when_it_is_off_and_the_same_time_gives_the_same_job(
    client: FlaskClient, operator: Headers, database: Database
) -> None:
    put(client, operator, **HOURLY, enabled=False)
    first = client.post(f"{PLACE}/hourly/run", headers=operator)
    assert first.status_code == 202
    ran = first.get_json()
    assert first.headers["Location"] == f"/api/v1/jobs/{ran['job_id']}"
    again = client.post(f"{PLACE}/hourly/run", json={"fire_at": ran["fire_at"]}, headers=operator)
    assert (again.status_code, again.get_json()) == (200, ran)
    other = client.post(f"{PLACE}/hourly/run", json={}, headers=operator)
    assert other.get_json()["job_id"] != ran["job_id"]
    (latest, earliest) = client.get(f"{PLACE}/hourly/fires", headers=operator).get_json()["items"]
    assert (earliest["job_id"], earliest["cause"], earliest["state"]) == (ran["job_id"], "run", "queued")
    assert latest["fire_at"] > earliest["fire_at"]
    assert count(database) == count(database, "outbox") == 2
    for wrong in (
        (now(database) + timedelta(hours=1)).isoformat(),
        "0001-01-01T00:00:00+23:59",
        "9999-12-31T23:59:59-23:59",
    ):
        refused = client.post(f"{PLACE}/hourly/run", json={"fire_at": wrong}, headers=operator)
        assert refused.status_code == 422
        assert "fire_at" in refused.get_json()["error"]["details"]


def test_a_schedule_that_is_not_to_overlap_is_not_run_while_its_job_lives(
    client: FlaskClient, operator: Headers, database: Database
) -> None:
    put(client, operator, **HOURLY, overlap="skip")
    ran = client.post(f"{PLACE}/hourly/run", headers=operator).get_json()
    refused = client.post(f"{PLACE}/hourly/run", headers=operator)
    assert refused.status_code == 409
    assert refused.get_json()["error"]["details"] == {"job_id": ran["job_id"]}
    change(database, "UPDATE gristmill.schedules SET next_fire_at = clock_timestamp()")
    with database.transaction() as session:
        assert fire_due(session) == {"hourly": 0}
    latest = client.get(f"{PLACE}/hourly/fires?limit=1", headers=operator).get_json()["items"][0]
    assert (latest["cause"], latest["job_id"], latest["state"]) == ("due", None, None)
    change(database, "UPDATE gristmill.jobs SET state = 'succeeded', finished_at = clock_timestamp()")
    assert client.post(f"{PLACE}/hourly/run", headers=operator).status_code == 202


def test_a_backfill_makes_each_missing_time_once_and_in_portions(
    client: FlaskClient, operator: Headers, database: Database
) -> None:
    put(client, operator, **HOURLY)
    start, end = hours_ago(database, 6), hours_ago(database, 1)
    dry = backfill(client, operator, start, end, dry_run=True).get_json()
    assert (len(dry["times"]), dry["jobs"], count(database)) == (5, [], 0)
    client.post(f"{PLACE}/hourly/run", json={"fire_at": dry["times"][1]}, headers=operator)
    first = backfill(client, operator, start, end, limit=3).get_json()
    assert first["times"] == [dry["times"][0], dry["times"][2]]
    assert (len(first["jobs"]), first["already"], first["next_from"]) == (2, 1, dry["times"][3])
    rest = backfill(client, operator, datetime.fromisoformat(first["next_from"]), end).get_json()
    assert (rest["times"], rest["next_from"]) == (dry["times"][3:], None)
    again = backfill(client, operator, start, end).get_json()
    assert (again["times"], again["jobs"], again["already"]) == ([], [], 5)
    assert count(database) == 5
    with database.transaction() as session:
        keys = session.execute(text("SELECT args ->> 'key' FROM gristmill.jobs")).scalars().all()
    assert sorted(datetime.fromisoformat(key) for key in keys) == [
        datetime.fromisoformat(time) for time in dry["times"]
    ]
    assert effects(database, "nothing ran here") == 0


def test_a_backfill_makes_up_for_times_that_were_left_out_and_leaves_the_next_one_to_the_schedule(
    client: FlaskClient, operator: Headers, database: Database
) -> None:
    put(client, operator, **HOURLY, overlap="skip")
    left_out = hours_ago(database, 2)
    change(database, "INSERT INTO gristmill.fires (schedule, fire_at) VALUES ('hourly', :at)", at=left_out)
    change(database, "UPDATE gristmill.schedules SET next_fire_at = :at", at=hours_ago(database, 1))
    done = backfill(client, operator, left_out, now(database)).get_json()
    assert [datetime.fromisoformat(time) for time in done["times"]] == [left_out]
    with database.transaction() as session:
        assert session.execute(text("SELECT cause, job_id IS NOT NULL FROM gristmill.fires")).one() == (
            "backfill",
            True,
        )


def test_backfills_that_are_asked_for_at_once_make_each_time_once(
    app: Flask, client: FlaskClient, operator: Headers, database: Database
) -> None:
    put(client, operator, **HOURLY)
    start, end = hours_ago(database, 50), hours_ago(database, 0)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: backfill(app.test_client(), operator, start, end).get_json(), range(4)))
    assert sum(len(each["jobs"]) for each in done) == count(database) == 50


def test_a_year_of_local_days_has_each_once_whatever_the_clocks_do(
    client: FlaskClient, operator: Headers, database: Database
) -> None:
    """Berlin's clocks change twice in any year; 02:30 comes not at all on one day, and twice on another."""
    put(client, operator, cron="30 2 * * *", timezone="Europe/Berlin", task="demo.echo", args={"message": "m"})
    berlin = ZoneInfo("Europe/Berlin")
    end = now(database).astimezone(berlin).replace(hour=12, minute=0, second=0, microsecond=0) - timedelta(days=1)
    start = end - timedelta(days=364)
    done = backfill(client, operator, start, end, limit=1000, dry_run=True).get_json()
    times = [datetime.fromisoformat(time).astimezone(berlin) for time in done["times"]]
    assert [time.date() for time in times] == [(start + timedelta(days=day)).date() for day in range(1, 365)]
    assert {time.strftime("%H:%M") for time in times} == {"02:30", "03:00"}


@pytest.mark.parametrize(
    ("start", "end", "field"),
    [(1, 2, "to"), (-1, -2, "from"), (2, -1, "to"), (24 * 400, 1, "from")],
    ids=["it ends before it begins", "it is ahead", "it ends ahead", "it begins long ago"],
)
def test_a_span_that_is_none_is_refused_by_field(
    client: FlaskClient, operator: Headers, database: Database, start: int, end: int, field: str
) -> None:
    put(client, operator, **HOURLY)
    refused = backfill(client, operator, hours_ago(database, start), hours_ago(database, end))
    assert (refused.status_code, list(refused.get_json()["error"]["details"])) == (422, [field])


def test_a_schedule_whose_task_is_gone_is_not_run(client: FlaskClient, operator: Headers, database: Database) -> None:
    put(client, operator, **HOURLY)
    change(database, "UPDATE gristmill.schedules SET task = 'demo.of_yesterday'")
    for answer in (
        client.post(f"{PLACE}/hourly/run", headers=operator),
        backfill(client, operator, hours_ago(database, 3), hours_ago(database, 1)),
    ):
        assert answer.status_code == 409
        assert "is gone" in answer.get_json()["error"]["message"]


def test_schedules_and_fires_are_listed_in_pages(client: FlaskClient, operator: Headers, database: Database) -> None:
    for name in ("a", "b", "c"):
        put(client, operator, name, **HOURLY)
    put(client, operator, **HOURLY)
    backfill(client, operator, hours_ago(database, 6), hours_ago(database, 1))
    for path, field, expected in (
        (PLACE, "name", ["a", "b", "c", "hourly"]),
        (f"{PLACE}/hourly/fires", "fire_at", None),
    ):
        found, cursor = [], None
        while True:
            page = client.get(
                path, query_string={"limit": 2} | ({"cursor": cursor} if cursor else {}), headers=operator
            )
            found += [each[field] for each in page.get_json()["items"]]
            cursor = page.get_json()["next_cursor"]
            if cursor is None:
                break
        assert found == (expected or sorted(set(found), reverse=True))
        assert len(found) in (4, 5)
    times = (BY_NAME.write(time) for time in ("0001-01-01T00:00:00+23:59", "0053-01-14T03:02:55", "2026-01-01"))
    for cursor in ("x", "AAAA", "Zm9v", "!", *times):
        wrong = client.get(f"{PLACE}/hourly/fires", query_string={"cursor": cursor}, headers=operator)
        assert wrong.status_code == 422, cursor


def test_a_schedule_of_the_code_follows_it_until_somebody_changes_it_and_is_not_deleted(
    client: FlaskClient, operator: Headers, database: Database
) -> None:
    def start_beat() -> Any:
        with database.transaction() as session:
            sync_schedules(session, load_plugins().schedules)
        return client.get(f"{PLACE}/aggregate-hour", headers=operator).get_json()

    shipped = start_beat()
    assert (shipped["from_code"], shipped["changed_by"]) == (True, None)
    change(database, "UPDATE gristmill.schedules SET cron = '5 * * * *'")  # as an older version of the code had it
    assert start_beat()["cron"] == shipped["cron"]
    refused = client.delete(f"{PLACE}/aggregate-hour", headers=operator)
    assert refused.status_code == 409
    assert "switch it off" in refused.get_json()["error"]["message"]
    client.patch(f"{PLACE}/aggregate-hour", json={"cron": "7 * * * *", "enabled": False}, headers=operator)
    changed = start_beat()
    assert (changed["cron"], changed["enabled"], changed["changed_by"]) == ("7 * * * *", False, "ada")


def test_a_key_with_tasks_schedules_only_those(client: FlaskClient, operator: Headers, make_key: KeyMaker) -> None:
    limited = make_key("schedules:write", name="limited", allowed_tasks=["demo.echo"])
    refused = client.put(f"{PLACE}/x", json=HOURLY, headers=limited)
    assert refused.status_code == 403
    put(client, operator, **HOURLY)
    for method, path, body in (
        ("PATCH", "hourly", {"task": "demo.echo", "args": {"message": "m"}}),
        ("PUT", "hourly", {"every": 60, "task": "demo.echo", "args": {"message": "m"}}),
        ("POST", "hourly/run", {}),
        ("DELETE", "hourly", None),
    ):
        assert client.open(f"{PLACE}/{path}", method=method, json=body, headers=limited).status_code == 403, path
    assert put(client, limited, "echo", every=60, task="demo.echo", args={"message": "m"})["changed_by"] == "limited"


def test_a_producer_neither_sees_nor_makes_schedules(client: FlaskClient, key: Headers, make_key: KeyMaker) -> None:
    assert client.get(PLACE, headers=key).status_code == 403
    reader = make_key("schedules:read", name="reader")
    for method, path in (
        ("PUT", "x"),
        ("PATCH", "x"),
        ("DELETE", "x"),
        ("POST", "x/run"),
        ("POST", "x/backfill"),
    ):
        answer = client.open(f"{PLACE}/{path}", method=method, json={}, headers=reader)
        assert answer.get_json()["error"]["details"] == {"missing_scope": "schedules:write"}, path
