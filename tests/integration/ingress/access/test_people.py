"""People register, sign in, go on and sign out; whoever is not let in learns nothing about who is."""

import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any
from uuid import UUID

import jwt
import pytest
from flask import Flask
from flask.testing import FlaskClient
from sqlalchemy import text

from gristmill.ingress.access import password_checks
from gristmill.ingress.access.key_checks import KeyChecks
from gristmill.ingress.app import create_app
from gristmill.shared.base.sealing import derive
from gristmill.shared.database.connect import Database
from gristmill.shared.people.passwords import password_matches
from gristmill.shared.people.tokens import make_refresh_token, write_access_token
from gristmill.shared.settings import Secret, Settings
from gristmill.workers.execute.attempt import Executor
from tests.eventually import eventually
from tests.factories import change, find
from tests.integration.ingress.conftest import Headers, KeyMaker
from tests.integration.ingress.people import ADA, ENDS, PASSWORD, bearer, make_person, sign_in
from tests.integration.ingress.rows import count

AUTH = "/api/v1/auth"
ME = "/api/v1/users/me"
GRACE = {"email": "Grace@Example.com", "password": "Cobol-1959", "full_name": "Grace Hopper", "terms_accepted": True}


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return replace(settings, logins=1_000, registrations=1_000)


@pytest.fixture
def work(database: Database) -> Callable[[], None]:
    """Run the jobs of accounts that were accepted, as a worker does; return when there was one."""
    executor = Executor(database, worker="test@here", queue="user_queue")

    def run() -> None:
        def wanted() -> list[UUID]:
            with database.transaction() as session:
                query = (
                    "SELECT id FROM gristmill.jobs WHERE task = 'user.create' "
                    "AND state = 'queued' AND watched_until > now()"
                )
                return list(session.scalars(text(query)))

        eventually(wanted)
        executor.execute(wanted())

    return run


def register(client: FlaskClient, **changes: Any) -> Any:
    return client.post(f"{AUTH}/register", json=GRACE | changes)


def audited(database: Database) -> list[tuple[str, str]]:
    with database.transaction() as session:
        rows = session.execute(text("SELECT actor, action FROM gristmill.audit_log ORDER BY id"))
        return [(row.actor, row.action) for row in rows]


def test_a_registration_is_a_job_that_belongs_to_nobody_and_holds_no_password(
    client: FlaskClient, database: Database, make_key: KeyMaker
) -> None:
    answer = register(client)
    job = answer.get_json()
    assert (answer.status_code, job["task"], job["queue"]) == (202, "user.create", "user_queue")
    assert answer.headers["Location"] == f"/api/v1/jobs/{job['id']}"
    row = find(database, UUID(job["id"]))
    assert (row.producer_id, row.args["full_name"]) == (None, "Grace Hopper")
    assert "Cobol-1959" not in str(row.args)
    assert client.get(answer.headers["Location"], headers=make_key("jobs:read")).status_code == 404
    shown = client.get(answer.headers["Location"], headers=make_key("admin", name="root"))
    assert shown.get_json()["args"]["password"] == "[sealed]"


def test_whoever_waits_is_answered_with_the_user_who_then_signs_in(
    client: FlaskClient, work: Callable[[], None]
) -> None:
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.post, f"{AUTH}/register", json=GRACE, headers={"Prefer": "wait=20"})
        work()
        answer = waiting.result(60)
    user = answer.get_json()
    assert (answer.status_code, answer.headers["Location"]) == (201, ME)
    assert (user["email"], user["full_name"], user["role"], user["status"], user["email_verified_at"]) == (
        "Grace@example.com",
        "Grace Hopper",
        "member",
        "active",
        None,
    )
    tokens = client.post(f"{AUTH}/login", json={"email": "gRACE@example.COM", "password": "Cobol-1959"}).get_json()
    assert client.get(ME, headers=bearer(tokens["access_token"])).get_json() == user


def test_only_whoever_waits_is_told_that_an_address_is_taken(
    client: FlaskClient, database: Database, work: Callable[[], None]
) -> None:
    make_person(database, "grace@example.com")
    assert register(client).status_code == 202
    change(database, "UPDATE gristmill.jobs SET state = 'cancelled', finished_at = now()")
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(client.post, f"{AUTH}/register", json=GRACE, headers={"Prefer": "wait=20"})
        work()
        answer = waiting.result(60)
    assert (answer.status_code, answer.get_json()["error"]["code"]) == (409, "USER_EMAIL_TAKEN_001")


def test_a_registration_that_has_not_ended_in_time_is_answered_as_a_job(client: FlaskClient) -> None:
    answer = client.post(f"{AUTH}/register", json=GRACE, headers={"Prefer": "wait=0"})
    assert (answer.status_code, answer.headers["Preference-Applied"]) == (202, "wait=0")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("email", "not an address"),
        ("password", "short"),
        ("password", "no-capital-1"),
        ("full_name", ""),
        ("full_name", "x" * 201),
        ("terms_accepted", False),
        ("terms_accepted", 1),
        ("role", "admin"),
        ("is_admin", True),
    ],
)
def test_a_wrong_registration_is_refused_by_field_and_never_repeated(
    client: FlaskClient, database: Database, field: str, value: Any
) -> None:
    answer = register(client, **{field: value})
    assert answer.status_code == 422
    assert list(answer.get_json()["error"]["details"]) == [field]
    assert GRACE["password"] not in answer.get_data(as_text=True)
    assert count(database) == 0


def test_who_signs_in_is_given_a_token_that_says_who_and_until_when(
    client: FlaskClient, database: Database, settings: Settings
) -> None:
    user_id = make_person(database)
    tokens = sign_in(client)
    assert (tokens["token_type"], tokens["expires_in"]) == ("Bearer", 3600)
    assert tokens["refresh_expires_in"] == 30 * 86_400
    assert jwt.get_unverified_header(tokens["access_token"])["alg"] == "HS256"
    claims = jwt.decode(
        tokens["access_token"],
        derive(settings.secret_key, "access-token"),
        algorithms=["HS256"],
        audience="gristmill-api",
        issuer="gristmill",
        options={"verify_iat": False, "verify_exp": False},
    )
    with database.transaction() as session:
        row = session.execute(
            text(
                "SELECT id, user_id, round(extract(epoch FROM expires_at - created_at)) AS lasts "
                "FROM gristmill.sessions"
            )
        ).one()
    assert (claims["sub"], claims["sid"]) == (str(user_id), str(row.id))
    assert (row.user_id, claims["exp"] - claims["iat"], row.lasts) == (user_id, 3600, 30 * 86_400)


def test_the_database_holds_no_token(client: FlaskClient, database: Database) -> None:
    make_person(database)
    tokens = sign_in(client)
    with database.transaction() as session:
        stored = str(session.execute(text("SELECT to_jsonb(sessions)::text FROM gristmill.sessions")).scalar_one())
    for part in (*tokens["refresh_token"].split(".")[1:], tokens["access_token"]):
        assert part not in stored
        assert part.encode().hex() not in stored


@pytest.mark.parametrize("how", ["unknown", "wrong password", "suspended", "inactive", "deleted"])
def test_whoever_may_not_sign_in_is_told_the_same_whatever_the_reason(
    client: FlaskClient, database: Database, how: str
) -> None:
    make_person(database)
    if how in ENDS:
        change(database, ENDS[how])
    answer = client.post(
        f"{AUTH}/login",
        json={
            "email": "nobody@example.com" if how == "unknown" else ADA,
            "password": "Lovelace2" if how == "wrong password" else PASSWORD,
        },
    )
    error = answer.get_json()["error"]
    assert (answer.status_code, error["code"], error["details"]) == (401, "AUTH_UNAUTHORIZED_001", {})
    assert error["message"].startswith("No active account has this address and password")
    assert answer.headers["WWW-Authenticate"].startswith("Bearer")


def test_a_password_that_was_changed_while_it_was_checked_lets_nobody_in(
    client: FlaskClient, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_person(database)
    check = password_matches

    def change_meanwhile(password_hash: str, password: str) -> bool:
        change(database, "UPDATE gristmill.users SET password_hash = 'another'")
        return check(password_hash, password)

    monkeypatch.setattr(password_checks, "password_matches", change_meanwhile)
    answer = client.post(f"{AUTH}/login", json={"email": ADA, "password": PASSWORD})
    assert answer.status_code == 401


def test_a_refresh_token_gets_new_ones_once_and_when_it_comes_again_the_session_ends(
    client: FlaskClient, database: Database
) -> None:
    make_person(database)
    first = sign_in(client)
    second = client.post(f"{AUTH}/refresh", json={"refresh_token": first["refresh_token"]})
    assert second.status_code == 200
    assert client.get(ME, headers=bearer(second.get_json()["access_token"])).status_code == 200
    for stolen in (first, second.get_json()):  # the second was good until the first came again
        refused = client.post(f"{AUTH}/refresh", json={"refresh_token": stolen["refresh_token"]})
        assert (refused.status_code, refused.get_json()["error"]["code"]) == (401, "AUTH_UNAUTHORIZED_001")
    found = KeyChecks(database)
    assert found.find(first["access_token"]) is None
    assert found.find(second.get_json()["access_token"]) is None


def test_of_two_who_bring_the_same_refresh_token_at_once_one_goes_on_until_the_other_is_noticed(
    app: Flask, client: FlaskClient, database: Database
) -> None:
    make_person(database)
    token = sign_in(client)["refresh_token"]
    with ThreadPoolExecutor(2) as pool:
        answers = list(
            pool.map(lambda _: app.test_client().post(f"{AUTH}/refresh", json={"refresh_token": token}), range(2))
        )
    assert sorted(answer.status_code for answer in answers) == [200, 401]
    with database.transaction() as session:
        assert session.execute(text("SELECT revoked_at IS NOT NULL FROM gristmill.sessions")).scalar_one()


def test_a_token_that_only_looks_like_an_old_one_ends_nobodys_session(client: FlaskClient, database: Database) -> None:
    make_person(database)
    tokens = sign_in(client)
    session_id, nonce, proof = tokens["refresh_token"].split(".")
    other = make_refresh_token(Secret("x" * 32), UUID(session_id))
    for forged in ("x", f"{session_id}.{nonce[::-1]}.{proof}", other, "ü" * 90):
        assert client.post(f"{AUTH}/refresh", json={"refresh_token": forged}).status_code == 401
    assert client.post(f"{AUTH}/refresh", json={"refresh_token": tokens["refresh_token"]}).status_code == 200


@pytest.mark.parametrize("how", ENDS)
def test_a_session_that_has_ended_is_not_gone_on_with(client: FlaskClient, database: Database, how: str) -> None:
    make_person(database)
    tokens = sign_in(client)
    change(database, ENDS[how])
    assert client.post(f"{AUTH}/refresh", json={"refresh_token": tokens["refresh_token"]}).status_code == 401


@pytest.mark.parametrize("how", ENDS)
def test_an_access_token_dies_with_its_user_or_session_within_the_seconds_that_it_is_remembered(
    client: FlaskClient, database: Database, how: str
) -> None:
    make_person(database)
    token = sign_in(client)["access_token"]
    remembering, forgetful = KeyChecks(database), KeyChecks(database, remembered=0)
    assert remembering.find(token) is not None
    assert forgetful.find(token) is not None
    change(database, ENDS[how])
    assert remembering.find(token) is not None
    assert forgetful.find(token) is None


def test_a_role_that_changes_changes_what_its_token_may(client: FlaskClient, database: Database) -> None:
    make_person(database)
    token = sign_in(client)["access_token"]
    forgetful = KeyChecks(database, remembered=0)
    for role, scopes in (("member", set()), ("operator", {"operator"}), ("admin", {"admin"})):
        change(database, "UPDATE gristmill.users SET role = :role", role=role)
        principal = forgetful.find(token)
        assert principal is not None
        assert principal.scopes == scopes


def test_an_access_token_is_over_by_the_databases_clock(
    client: FlaskClient, database: Database, settings: Settings
) -> None:
    user_id = make_person(database)
    sign_in(client)
    with database.transaction() as session:
        session_id, now = session.execute(
            text("SELECT id, extract(epoch FROM now())::bigint FROM gristmill.sessions")
        ).one()
    answers = []
    for ends_at in (now + 60, now - 1):  # it was rounded
        token = write_access_token(
            settings.secret_key, user_id=user_id, session_id=session_id, issued_at=ends_at - 3600, seconds=3600
        )
        answers.append(client.get(ME, headers=bearer(token)).status_code)
    assert answers == [200, 401]


def test_who_signs_out_is_out_at_once_with_every_token_of_the_session(client: FlaskClient, database: Database) -> None:
    make_person(database)
    first, other = sign_in(client), sign_in(client)
    second = client.post(f"{AUTH}/refresh", json={"refresh_token": first["refresh_token"]}).get_json()
    for tokens in (first, second, other):
        assert client.get(ME, headers=bearer(tokens["access_token"])).status_code == 200
    gone = client.post(f"{AUTH}/logout", headers=bearer(second["access_token"]))
    assert (gone.status_code, gone.get_data()) == (204, b"")
    for tokens in (first, second):
        assert client.get(ME, headers=bearer(tokens["access_token"])).status_code == 401
        assert client.post(f"{AUTH}/refresh", json={"refresh_token": tokens["refresh_token"]}).status_code == 401
    assert client.get(ME, headers=bearer(other["access_token"])).status_code == 200


def tampered(settings: Settings, token: str) -> dict[str, str]:
    key = derive(settings.secret_key, "access-token")
    claims = jwt.decode(token, options={"verify_signature": False})
    return {
        "another key": jwt.encode(claims, b"x" * 32, algorithm="HS256"),
        "the key itself": jwt.encode(claims, settings.secret_key.reveal(), algorithm="HS256"),
        "another purpose": jwt.encode(claims, derive(settings.secret_key, "refresh-token"), algorithm="HS256"),
        "no signature": jwt.encode(claims, "", algorithm="none"),
        "another algorithm": jwt.encode(claims, key + key, algorithm="HS512"),
        "another audience": jwt.encode(claims | {"aud": "elsewhere"}, key, algorithm="HS256"),
        "another issuer": jwt.encode(claims | {"iss": "elsewhere"}, key, algorithm="HS256"),
        "no session": jwt.encode({k: v for k, v in claims.items() if k != "sid"}, key, algorithm="HS256"),
        "a session that is none": jwt.encode(claims | {"sid": "x"}, key, algorithm="HS256"),
        "brackets": ".".join(["W1tb" * 150, "W1tb" * 60, "W1tb" * 10]),
        "long": token + "x" * 1_000,
        "cut": token[:-1],
    }


@pytest.mark.parametrize(
    "how",
    [
        "another key",
        "the key itself",
        "another purpose",
        "no signature",
        "another algorithm",
        "another audience",
        "another issuer",
        "no session",
        "a session that is none",
        "brackets",
        "long",
        "cut",
    ],
)
def test_a_token_that_we_have_not_signed_as_it_is_lets_nobody_in(
    client: FlaskClient, database: Database, settings: Settings, how: str
) -> None:
    make_person(database)
    token = sign_in(client)["access_token"]
    answer = client.get(ME, headers=bearer(tampered(settings, token)[how]))
    assert answer.status_code == 401
    assert token not in answer.get_data(as_text=True)


def test_a_token_that_is_over_is_no_guess(settings: Settings, database: Database) -> None:
    client = create_app(replace(settings, wrong_keys=1), database).test_client()
    make_person(database)
    token = sign_in(client)["access_token"]
    change(database, ENDS["revoked"])
    for _ in range(3):
        answer = client.get(ME, headers=bearer(token))
        assert answer.status_code == 401
        assert "auth/refresh" in answer.get_json()["error"]["message"]
    assert [client.get(ME, headers=bearer("x.y.z")).status_code for _ in range(2)] == [401, 429]


def test_what_a_person_does_is_in_the_audit_log_under_their_address(
    client: FlaskClient, database: Database, key: Headers
) -> None:
    make_person(database, role="operator")
    operator = bearer(sign_in(client)["access_token"])
    paused = client.post("/api/v1/queues/email_queue/pause", json={"reason": "the server moves"}, headers=operator)
    assert paused.get_json()["paused"]["by"] == f"user:{ADA}"
    job = client.post("/api/v1/jobs", json={"task": "demo.echo", "args": {"message": "m"}}, headers=key).get_json()
    assert client.post(f"/api/v1/jobs/{job['id']}/cancel", headers=operator).status_code == 200
    assert audited(database) == [(f"user:{ADA}", "queue.pause"), (f"user:{ADA}", "job.cancel")]


@pytest.mark.parametrize("path", ["login", "register"])
def test_one_address_tries_so_often_a_minute_and_is_then_told_when_to_come_again(
    settings: Settings, database: Database, path: str
) -> None:
    few = replace(settings, logins=2, registrations=1_000) if path == "login" else replace(settings, registrations=2)
    client = create_app(replace(few, trusted_proxies=1), database).test_client()

    def attempt(address: str) -> Any:
        return client.post(f"{AUTH}/{path}", json={}, headers={"X-Forwarded-For": address})

    answers = [attempt("192.0.2.1") for _ in range(3)]
    assert [answer.status_code for answer in answers] == [422, 422, 429]
    assert [answer.headers["RateLimit-Remaining"] for answer in answers] == ["1", "0", "0"]
    assert answers[2].headers["Retry-After"] == answers[2].headers["RateLimit-Reset"]
    assert answers[2].get_json()["error"]["code"] == "RATE_LIMITED_001"
    assert attempt("192.0.2.2").status_code == 422


def test_neither_passwords_nor_tokens_are_logged(
    client: FlaskClient, database: Database, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    make_person(database)
    tokens = sign_in(client)
    client.post(f"{AUTH}/login", json={"email": ADA, "password": "Wrong-pass-1"})
    client.post(f"{AUTH}/refresh", json={"refresh_token": tokens["refresh_token"]})
    client.post(f"{AUTH}/refresh", json={"refresh_token": tokens["refresh_token"]})
    client.get(ME, headers=bearer(tokens["access_token"]))
    register(client)
    written = caplog.text + "".join(capsys.readouterr())
    assert "session.reused" in written
    for secret in (PASSWORD, "Wrong-pass-1", "Cobol-1959", tokens["refresh_token"], tokens["access_token"]):
        assert secret not in written
