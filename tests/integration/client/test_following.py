"""Both clients follow a job to its end: by long polls, and by server-sent events over a line that is cut."""

import threading

import pytest

from gristmill.client import ConflictError, Job, NotFoundError, UnreachableError
from tests.cluster import Cluster
from tests.eventually import eventually
from tests.factories import change
from tests.integration.client.conftest import MakeClient, Stored
from tests.integration.client.lines import Line

ECHO = ("demo.echo", {"message": "m"})
NOBODY = "01890000-0000-7000-8000-000000000000"


def test_a_wait_ends_with_the_job_or_with_its_time(make: MakeClient) -> None:
    client = make()
    job = client.post(*ECHO)
    assert client.wait(str(job.id), timeout=0.3).state == "queued"
    ended: list[Job] = []
    waiter = threading.Thread(target=lambda: ended.append(client.wait(str(job.id), timeout=60)))
    waiter.start()
    assert client.cancel(str(job.id)).state == "cancelled"
    waiter.join(60)
    assert [each.state for each in ended] == ["cancelled"]
    assert client.cancel(str(job.id)).has_ended
    with pytest.raises(NotFoundError):
        client.wait(NOBODY)


def test_a_job_that_has_succeeded_cannot_be_cancelled(make: MakeClient, stored: Stored) -> None:
    client = make()
    job = client.post(*ECHO)
    ended = "UPDATE gristmill.jobs SET state = 'succeeded', finished_at = clock_timestamp() WHERE id = :id"
    change(stored.database, ended, id=str(job.id))
    with pytest.raises(ConflictError):
        client.cancel(str(job.id))


def test_a_wait_outlives_an_ingress_that_is_killed(make: MakeClient, ingress: Cluster) -> None:
    client = make()
    job = client.post(*ECHO)
    ended: list[Job] = []
    waiter = threading.Thread(target=lambda: ended.append(client.wait(str(job.id), timeout=120)))
    waiter.start()
    ingress.members["web"].kill()
    ingress.up()
    assert client.cancel(str(job.id)).state == "cancelled"
    waiter.join(120)
    assert [each.state for each in ended] == ["cancelled"]


def test_events_are_told_once_each_over_a_line_that_is_cut(make: MakeClient, line: Line) -> None:
    client = make(line.url)
    job = client.post(*ECHO)
    events = client.events(str(job.id))
    first = next(events)
    assert (first.type, first.data["state"]) == ("job.accepted", "queued")
    line.cut()
    make().cancel(str(job.id))
    assert [(event.type, event.data["state"]) for event in events] == [("job.cancelled", "cancelled")]


def test_events_are_told_once_each_although_half_of_one_was_sent(make: MakeClient, line: Line) -> None:
    client = make(line.url, timeout=1)
    job = client.post(*ECHO)
    line.spoil("half", 2)
    events = client.events(str(job.id))
    assert next(events).type == "job.accepted"
    client.cancel(str(job.id))
    assert [event.type for event in events] == ["job.cancelled"]
    assert line.spoilt == 2


def test_events_go_on_after_the_ingress_was_killed(make: MakeClient, ingress: Cluster) -> None:
    client = make()
    job = client.post(*ECHO)
    events = client.events(str(job.id))
    assert next(events).type == "job.accepted"
    ingress.members["web"].kill()
    ingress.up()
    client.cancel(str(job.id))
    assert [event.type for event in events] == ["job.cancelled"]


def test_events_of_a_job_that_does_not_end_are_given_up_after_their_time(make: MakeClient) -> None:
    client = make()
    events = client.events(str(client.post(*ECHO).id), timeout=4)
    assert next(events).type == "job.accepted"
    with pytest.raises(UnreachableError, match="not ended within"):
        next(events)


def test_events_that_are_left_early_hold_no_connection(make: MakeClient, line: Line) -> None:
    client = make(line.url)
    events = client.events(str(client.post(*ECHO).id))
    next(events)
    assert line.open == 1
    events.close()
    eventually(lambda: line.open == 0)


def test_events_of_a_job_that_is_not_there_are_an_error(make: MakeClient) -> None:
    with pytest.raises(NotFoundError):
        next(make().events(NOBODY))
