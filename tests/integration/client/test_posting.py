"""Both clients post to a real ingress, over a line that breaks: every job is there once."""

import threading
from datetime import UTC, datetime, timedelta

import pytest

from gristmill.client import (
    Cancelled,
    Count,
    InvalidError,
    Job,
    NotFoundError,
    UnauthorizedError,
    UnreachableError,
    job_body,
)
from tests.integration.client.conftest import MakeClient, Stored
from tests.integration.client.lines import Line

ECHO = ("demo.echo", {"message": "m"})


def test_a_posted_job_is_followed_by_its_id(make: MakeClient, stored: Stored) -> None:
    client = make()
    job = client.post(*ECHO, delay=timedelta(hours=1), tags=["a"], max_attempts=2)
    assert (job.state, job.task, job.queue) == ("scheduled", "demo.echo", "data_processing_queue")
    assert job.run_at is not None
    assert job.run_at > datetime.now(UTC) + timedelta(minutes=50)
    found = client.get(str(job.id))
    assert (found.id, found.data["tags"], found.data["max_attempts"]) == (job.id, ["a"], 2)
    assert "not due" in (found.waiting_for or "")
    assert stored.ids == [job.id]


def test_a_job_whose_answer_was_lost_is_there_once(make: MakeClient, line: Line, stored: Stored) -> None:
    client = make(line.url)
    line.spoil("lose", 2)
    job = client.post(*ECHO)
    assert line.spoilt == 2
    assert stored.ids == [job.id]


def test_many_threads_or_tasks_share_a_client(make: MakeClient, line: Line, stored: Stored) -> None:
    client = make(line.url)
    line.spoil("lose", 5)
    threads = [threading.Thread(target=lambda: [client.post(*ECHO) for _ in range(10)]) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(150)
    assert len(stored.ids) == 80


def test_a_refusal_is_an_error_that_says_what_is_wrong_and_never_the_key(
    make: MakeClient, key: str, nowhere: str
) -> None:
    client = make()
    with pytest.raises(InvalidError) as refused:
        client.post("demo.echo", {"mesage": "m"})
    assert (refused.value.status, refused.value.code) == (422, "TASK_ARGS_INVALID_001")
    assert "args.mesage" in refused.value.details
    assert refused.value.request_id
    with pytest.raises(NotFoundError):
        client.get("0198c0de-0000-7000-8000-000000000000")
    with pytest.raises(UnauthorizedError) as unknown:
        make(api_key=key[:-1] + ("A" if key[-1] != "A" else "B")).post(*ECHO)
    with pytest.raises(UnreachableError) as away:
        make(nowhere, patience=0.3).post(*ECHO)
    assert key not in repr(client) + str(unknown.value) + str(away.value)


def test_a_key_of_another_job_is_refused(make: MakeClient, stored: Stored) -> None:
    client = make()
    first = client.post(*ECHO, idempotency_key="order-7")
    assert client.post(*ECHO, idempotency_key="order-7").id == first.id
    with pytest.raises(InvalidError, match="IDEMPOTENCY_KEY_REUSED_001"):
        client.post("demo.echo", {"message": "other"}, idempotency_key="order-7")
    assert stored.ids == [first.id]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"url": ""}, "set GRISTMILL_URL and GRISTMILL_API_KEY"),
        ({"url": "jobs.example.com"}, "begins with neither http:// nor https://"),
        ({"patience": 0}, "seconds, more than 0"),
    ],
)
def test_a_client_that_could_not_work_is_not_made(
    make: MakeClient, monkeypatch: pytest.MonkeyPatch, options: dict[str, object], message: str
) -> None:
    monkeypatch.delenv("GRISTMILL_API_KEY", raising=False)
    given = {"url": "http://127.0.0.1:1", "api_key": ""} | options if options.get("url") == "" else options
    with pytest.raises(ValueError, match=message):
        make(**given)


def test_a_time_without_a_zone_is_refused_before_anything_is_sent(make: MakeClient, stored: Stored) -> None:
    with pytest.raises(ValueError, match="has no time zone"):
        make().post(*ECHO, run_at=datetime(2030, 1, 1))  # noqa: DTZ001  that is the case
    assert stored.ids == []


def test_many_jobs_are_posted_by_few_requests_each_with_its_own_answer(
    make: MakeClient, line: Line, stored: Stored
) -> None:
    client = make(line.url)
    line.spoil("lose", 1)
    jobs = [job_body("demo.echo", {"message": str(number)}) for number in range(1_100)]
    jobs[7] = job_body("demo.unknown")
    results = client.post_many(jobs)
    assert isinstance(results[7], InvalidError)
    assert results[7].code == "TASK_UNKNOWN_001"
    assert sum(isinstance(result, Job) for result in results) == 1_099
    assert sorted(stored.messages) == sorted(str(number) for number in range(1_100) if number != 7)
    with pytest.raises(InvalidError):
        client.post_many(jobs[:10], atomic=True)
    with pytest.raises(ValueError, match="1100 jobs cannot be accepted all or none"):
        client.post_many(jobs, atomic=True)
    assert len(stored.ids) == 1_099
    assert [job.id for job in client.list_jobs(state="queued")] == stored.ids[::-1]


def test_jobs_are_searched_counted_and_cancelled_by_a_filter(make: MakeClient) -> None:
    client = make()
    client.post_many([job_body("demo.echo", {"message": "m"}, tags=["keep" if number < 2 else "go"], delay=60)
                      for number in range(205)])  # fmt: skip
    where = {"and": [{"field": "tags", "contains": "go"}, {"field": "state", "in": ["scheduled", "queued"]}]}
    assert len({job.id for job in client.search(where)}) == 203
    assert client.count(where) == client.count(tag="go") == Count(203, more=False)
    assert [job.data["tags"] for job in client.search({"not": where}, task="demo.echo")] == [["keep"]] * 2
    with pytest.raises(InvalidError, match="details names"):
        client.count({"field": "colour", "eq": "red"})
    with pytest.raises(InvalidError):
        client.cancel_many()
    assert client.cancel_many(where, dry_run=True) == Cancelled(203, 0, 0)
    assert client.cancel_many(where, limit=100) == Cancelled(203, 203, 0)
    assert client.cancel_many(every=True) == Cancelled(2, 2, 0)
