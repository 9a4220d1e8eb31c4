"""Passwords are checked one after the other, by a thread that others go before; nobody waits for it without end."""

import os
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
from flask import Flask
from flask.testing import FlaskClient

from gristmill.ingress.access import password_checks
from gristmill.ingress.access.password_checks import NICENESS, PasswordChecks
from gristmill.ingress.app import create_app
from gristmill.ingress.services import services_of
from gristmill.shared.database.connect import Database
from gristmill.shared.errors import UnavailableError
from gristmill.shared.people.passwords import hash_password, password_matches
from gristmill.shared.settings import Settings
from tests.eventually import eventually
from tests.integration.ingress.conftest import Headers
from tests.integration.ingress.people import ADA, PASSWORD, make_person, sign_in

MOST = 4  # of the 32 threads: half of those that neither wait for jobs nor stream


def matches(checks: PasswordChecks, kept: str | None, password: str) -> bool:
    with checks.slot() as check:
        return check(kept, password)


@contextmanager
def held_up(monkeypatch: pytest.MonkeyPatch) -> Iterator[threading.Semaphore]:
    """Let no check come to its end inside of the block; yield how many have begun."""
    begun, go_on = threading.Semaphore(0), threading.Event()
    check = password_matches

    def stand(password_hash: str, password: str) -> bool:
        begun.release()
        go_on.wait(100)
        return check(password_hash, password)

    monkeypatch.setattr(password_checks, "password_matches", stand)
    try:
        yield begun
    finally:
        go_on.set()


def threads() -> list[str]:
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("password checks")]


def test_a_password_matches_its_own_hash_alone_and_no_password_that_of_nobody() -> None:
    checks, kept = PasswordChecks(most=1), hash_password("Correct-Horse-1")
    assert matches(checks, kept, "Correct-Horse-1")
    assert not matches(checks, kept, "Correct-Horse-2")
    assert not matches(checks, None, "Correct-Horse-1")
    assert not matches(checks, "not a hash", "Correct-Horse-1")


def test_an_unknown_address_costs_a_check_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    checked: list[str] = []

    def check(kept: str, _: str) -> bool:
        checked.append(kept)
        return True

    monkeypatch.setattr(password_checks, "password_matches", check)
    assert not matches(PasswordChecks(most=1), None, "whatever")
    assert [kept.partition("p=1$")[0] for kept in checked] == ["$argon2id$v=19$m=19456,t=2,"]


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a priority is that of the whole process")
def test_the_thread_that_checks_steps_back_and_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    found: list[int] = []

    def check(*_: str) -> bool:
        found.append(os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))
        return True

    monkeypatch.setattr(password_checks, "password_matches", check)
    own = os.getpriority(os.PRIO_PROCESS, 0)
    matches(PasswordChecks(most=1), None, "whatever")
    assert found == [max(own, NICENESS)]
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == own


def test_the_thread_starts_with_the_first_check_and_stays_the_only_one(client: FlaskClient, database: Database) -> None:
    before = threads()
    make_person(database)
    assert threads() == before
    for _ in range(3):
        sign_in(client)
    assert len(threads()) == len(before) + 1


def test_beyond_the_cap_people_are_told_at_once_to_come_again_while_jobs_are_accepted(
    app: Flask, client: FlaskClient, database: Database, key: Headers, monkeypatch: pytest.MonkeyPatch
) -> None:
    make_person(database)
    body = {"email": ADA, "password": PASSWORD}
    with ThreadPoolExecutor(MOST) as pool:
        with held_up(monkeypatch) as begun:
            waiting = [pool.submit(app.test_client().post, "/api/v1/auth/login", json=body) for _ in range(MOST)]
            assert begun.acquire(timeout=60)
            room = services_of(app).password_checks._room
            eventually(lambda: room._value == 0)
            refused = client.post("/api/v1/auth/login", json=body)
            assert refused.status_code == 503
            assert 2 <= int(refused.headers["Retry-After"]) <= 8
            posted = client.post("/api/v1/jobs", json={"task": "demo.echo", "args": {"message": "m"}}, headers=key)
            assert posted.status_code == 202
        assert [each.result(60).status_code for each in waiting] == [200] * MOST
    assert client.post("/api/v1/auth/login", json=body).status_code == 200


def test_who_waits_too_long_is_told_so_and_keeps_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    checks, kept = PasswordChecks(most=1, patience=0.01), hash_password("Correct-Horse-1")
    with held_up(monkeypatch):
        for _ in range(3):
            with pytest.raises(UnavailableError, match="in time"):
                matches(checks, kept, "Correct-Horse-1")
    eventually(checks._thread._work_queue.empty)
    assert matches(PasswordChecks(most=1), kept, "Correct-Horse-1")


@pytest.mark.parametrize("threads_of_the_server", [1, 2, 8, 32, 64])
def test_most_threads_are_left_to_everything_else(settings: Settings, threads_of_the_server: int) -> None:
    import dataclasses

    app = create_app(dataclasses.replace(settings, web_threads=threads_of_the_server))
    assert 1 <= services_of(app).password_checks.most <= max(1, threads_of_the_server // 4)
