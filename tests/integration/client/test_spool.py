"""Jobs that are posted while the ingress is away are kept in a spool, sent once, in order, and found by their keys."""

import sqlite3
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from gristmill.client import (
    SPOOLED,
    InvalidError,
    Spooled,
    SpoolError,
    SpoolFullError,
    SpoolOptions,
    UnauthorizedError,
    UnreachableError,
    UnsureError,
)
from tests.cluster import Cluster
from tests.eventually import eventually
from tests.integration.client.conftest import MakeClient, Stored
from tests.integration.client.lines import Line
from tests.integration.client.test_faults import page

ECHO = ("demo.echo", {"message": "m"})


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


def by_hand(folder: Path, **options: Any) -> SpoolOptions:
    """A spool that is flushed by hand only."""
    return SpoolOptions(folder, flush_every=0, **options)


def execute(folder: Path, statement: str) -> None:
    with closing(sqlite3.connect(folder / "jobs.sqlite")) as database, database:
        database.execute(statement)


def test_jobs_are_kept_while_the_ingress_is_dead_and_sent_once_and_in_order(
    make: MakeClient, ingress: Cluster, stored: Stored, folder: Path
) -> None:
    first = make().post("demo.echo", {"message": "0"})
    client = make(spool=by_hand(folder))
    ingress.members["web"].kill()
    spooled = [client.post("demo.echo", {"message": str(number)}, delay=0) for number in range(1, 6)]
    assert {(job.state, job.id) for job in spooled} == {(SPOOLED, None)}
    flushed = client.spool.flush()
    assert (flushed.sent, flushed.left) == (0, 5)
    assert isinstance(flushed.error, UnreachableError)
    client.close()
    again = make(spool=SpoolOptions(folder, flush_every=0.1))  # another run of the program
    ingress.up()
    eventually(lambda: again.spool.count() == 0, within=60)
    assert first.state == "queued"
    assert stored.messages == [str(number) for number in range(6)]
    eventually(lambda: again.post(*ECHO).state == "queued")  # straight to the ingress


def test_a_job_does_not_overtake_those_in_the_spool(
    make: MakeClient, nowhere: str, stored: Stored, folder: Path
) -> None:
    make(nowhere, spool=by_hand(folder)).post("demo.echo", {"message": "1"})
    client = make(spool=by_hand(folder))
    assert client.post("demo.echo", {"message": "2"}).state == SPOOLED
    assert client.spool.flush().sent == 2
    assert client.post("demo.echo", {"message": "3"}).state == "queued"
    assert stored.messages == ["1", "2", "3"]


def test_a_spooled_job_gets_its_id_when_it_is_flushed_and_is_found_by_its_key(
    make: MakeClient, nowhere: str, stored: Stored, folder: Path
) -> None:
    spooled = make(nowhere, spool=by_hand(folder)).post(*ECHO)
    told: list[Spooled] = []
    client = make(spool=by_hand(folder, on_flushed=told.append))
    key = str(spooled.idempotency_key)
    found = client.spool.find(key)
    assert found is not None
    assert (found.state, found.job, found.body) == ("spooled", None, {"task": ECHO[0], "args": ECHO[1]})
    assert client.spool.flush().sent == 1
    found = client.spool.find(key)
    assert found is not None
    assert found.job is not None
    assert (found.state, found.job.state, [found.job.id]) == ("flushed", "queued", stored.ids)
    assert found.ended_at is not None
    assert found.ended_at >= found.spooled_at
    assert told == [found]
    assert client.get(str(found.job.id)).state == "queued"
    assert client.spool.find("another") is None
    assert client.post(*ECHO, idempotency_key=key).id == found.job.id


def test_who_did_not_finish_to_hear_of_an_outcome_is_told_again(make: MakeClient, nowhere: str, folder: Path) -> None:
    away = make(nowhere, spool=by_hand(folder))
    keys = [str(away.post("demo.echo", args).idempotency_key) for args in ({"message": "m"}, {"wrong": 1})]
    make(spool=by_hand(folder)).spool.flush()  # a program that does not want to be told
    told: list[str] = []

    def fail_once(spooled: Spooled) -> None:
        told.append(spooled.key)
        if len(told) == 1:
            raise RuntimeError("as a callback may")

    client = make(spool=by_hand(folder, on_flushed=fail_once))
    client.spool.flush()
    assert told == keys
    client.spool.flush()
    client.spool.flush()
    assert told == [*keys, keys[0]]


def test_a_job_is_sent_once_although_its_first_post_had_arrived(
    make: MakeClient, line: Line, stored: Stored, folder: Path
) -> None:
    client = make(line.url, spool=by_hand(folder))
    line.spoil("lose", 1_000)
    spooled = client.post(*ECHO, delay=60)
    assert spooled.state == SPOOLED
    assert len(stored.ids) == 1  # it was accepted, and nobody heard
    line.spoil("lose", 0)
    eventually(lambda: client.spool.flush().sent == 1)
    found = client.spool.find(str(spooled.idempotency_key))
    assert found is not None
    assert found.job is not None
    assert stored.ids == [found.job.id]


def test_what_is_refused_is_set_aside_with_its_error_and_the_others_are_sent(
    make: MakeClient, nowhere: str, stored: Stored, folder: Path
) -> None:
    away = make(nowhere, spool=by_hand(folder))
    posted = [away.post("demo.echo", body) for body in ({"message": "1"}, {"wrong": 1}, {"message": "2"})]
    told: list[Spooled] = []
    client = make(spool=by_hand(folder, on_flushed=told.append))
    eventually(lambda: client.spool.flush().left == 0)
    assert stored.messages == ["1", "2"]
    (refused,) = client.spool.refused()
    assert refused.key == posted[1].idempotency_key
    assert refused.body is not None
    assert (refused.state, refused.job, refused.body["args"]) == ("refused", None, {"wrong": 1})
    assert isinstance(refused.error, InvalidError)
    assert (refused.error.code, list(refused.error.details)) == (
        "TASK_ARGS_INVALID_001",
        ["args.message", "args.wrong"],
    )
    assert [each.state for each in told] == ["flushed", "refused", "flushed"]
    assert not client.spool.forget(str(posted[0].idempotency_key))
    assert client.spool.forget(refused.key)
    assert client.spool.refused() == []


def test_a_refused_job_is_corrected_and_posted_again_under_its_key(
    make: MakeClient, nowhere: str, stored: Stored, folder: Path
) -> None:
    away = make(nowhere, spool=by_hand(folder))
    away.post("demo.echo", {"wrong": 1}, idempotency_key="order-7")
    client = make(spool=by_hand(folder))
    assert client.spool.flush().refused == 1
    away.post("demo.echo", {"message": "right"}, idempotency_key="order-7")
    assert client.spool.flush().sent == 1
    assert client.spool.refused() == []
    assert stored.messages == ["right"]


def test_an_error_that_concerns_no_job_in_particular_sets_none_aside(
    make: MakeClient, nowhere: str, key: str, folder: Path
) -> None:
    make(nowhere, spool=by_hand(folder)).post(*ECHO)
    with page(b"HTTP/1.1 404 Not Found\r\nContent-Length: 6\r\n\r\n<html>") as url:
        assert make(url, spool=by_hand(folder)).spool.flush().left == 1
    wrong = make(api_key=key[:-1] + ("A" if key[-1] != "A" else "B"), spool=by_hand(folder)).spool.flush()
    assert (wrong.refused, wrong.left) == (0, 1)
    assert isinstance(wrong.error, UnauthorizedError)
    assert make(spool=by_hand(folder)).spool.flush().sent == 1


def test_a_key_that_is_in_the_spool_makes_no_second_job(
    make: MakeClient, nowhere: str, stored: Stored, folder: Path
) -> None:
    away = make(nowhere, spool=by_hand(folder))
    for _ in range(2):
        assert away.post(*ECHO, idempotency_key="order-7", delay=1).state == SPOOLED
    with pytest.raises(SpoolError, match="belongs to another job"):
        away.post("demo.echo", {"message": "other"}, idempotency_key="order-7")
    client = make(spool=by_hand(folder))
    assert client.spool.flush().sent == 1
    (job,) = stored.ids
    assert away.spool.count() == 0
    client.post(*ECHO)  # it is known now that the API can be reached: the spool is not asked first
    assert away.post(*ECHO, idempotency_key="order-7", delay=1).id == job


def test_a_job_that_may_be_there_already_is_not_sent_again_once_its_key_is_forgotten(
    make: MakeClient, line: Line, folder: Path
) -> None:
    client = make(line.url, spool=by_hand(folder))
    line.spoil("lose", 1_000)
    client.post(*ECHO)
    line.spoil("lose", 0)
    execute(folder, "UPDATE jobs SET tried_at = tried_at - 24 * 3600")
    flushed = client.spool.flush()
    assert (flushed.sent, flushed.refused, flushed.left) == (0, 1, 0)
    (refused,) = client.spool.refused()
    assert isinstance(refused.error, UnsureError)
    assert "no longer known" in str(refused.error)


def test_the_spool_holds_no_more_jobs_than_it_may_and_refused_ones_count(
    make: MakeClient, nowhere: str, folder: Path
) -> None:
    away = make(nowhere, spool=by_hand(folder, max_jobs=2))
    away.post("demo.echo", {"wrong": 1})
    assert make(spool=by_hand(folder)).spool.flush().refused == 1
    away.post(*ECHO)
    with pytest.raises(
        SpoolFullError, match=r"holds 2 jobs, as many as it may \(max_jobs\).*1 of its jobs were refused"
    ):
        away.post(*ECHO)
    assert away.spool.count() == 1


def test_the_spool_holds_no_more_bytes_than_it_may(make: MakeClient, nowhere: str, folder: Path) -> None:
    away = make(nowhere, spool=by_hand(folder, max_bytes=1_000))
    away.post("demo.echo", {"message": "m" * 600})
    with pytest.raises(SpoolFullError, match="may hold 1000"):
        away.post("demo.echo", {"message": "m" * 600})
    away.post("demo.echo", {"message": "m" * 100})
    assert away.spool.count() == 2


def test_outcomes_are_forgotten_after_their_time_and_beyond_their_number(
    make: MakeClient, nowhere: str, folder: Path
) -> None:
    away = make(nowhere, spool=by_hand(folder))
    keys = [str(away.post(*ECHO).idempotency_key) for _ in range(4)]
    client = make(spool=by_hand(folder, max_outcomes=2, retention=timedelta(hours=1)))
    assert client.spool.flush().sent == 4
    assert [client.spool.find(key) is not None for key in keys] == [False, False, True, True]
    execute(folder, "UPDATE jobs SET ended_at = ended_at - 3601 WHERE number = 3")
    client.spool.flush()
    assert [client.spool.find(key) is not None for key in keys] == [False, False, False, True]


@pytest.mark.parametrize(
    "wrong", [{"max_jobs": 0}, {"max_bytes": 0}, {"retention": timedelta(0)}, {"secret_args": {"a.b": "password"}}]
)
def test_limits_that_make_no_sense_are_refused(folder: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"must be more than 0|write a list of names"):
        SpoolOptions(folder, **wrong)


def test_a_client_without_a_spool_says_so(make: MakeClient) -> None:
    with pytest.raises(SpoolError, match="has no spool: pass spool="):
        make().spool.count()
