"""Both clients keep their time limits, and no job is made twice, whatever a server or a network does."""

import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import pytest

from gristmill import ports, process
from gristmill.client import UnavailableError, UnreachableError
from tests.cluster import Cluster
from tests.integration.client.conftest import MakeClient, Stored
from tests.integration.client.lines import Line

ECHO = ("demo.echo", {"message": "m"})


@contextmanager
def paused(cluster: Cluster) -> Iterator[None]:
    """Stop the ingress as a debugger does: it takes connections, and answers nothing."""
    web = process.family(cluster.members["web"].process.pid)
    for each in web:
        each.send_signal(signal.SIGSTOP)
    process.wait_until_stopped(web)
    try:
        yield
    finally:
        for each in web:
            each.send_signal(signal.SIGCONT)


@contextmanager
def page(text: bytes) -> Iterator[str]:
    """Yield the URL of a server that answers each request with the same text."""
    server = socket.create_server((ports.LOOPBACK, 0))

    def serve() -> None:
        with suppress(OSError):
            while True:
                near, _ = server.accept()
                with near:
                    near.recv(65_536)
                    near.sendall(text)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://{ports.LOOPBACK}:{server.getsockname()[1]}"
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(60)


@pytest.mark.parametrize("fault", ["half", "stall"])
def test_a_job_of_which_half_an_answer_came_is_there_once(
    make: MakeClient, line: Line, stored: Stored, fault: str
) -> None:
    client = make(line.url, timeout=0.5)
    line.spoil(fault, 2)
    job = client.post(*ECHO)
    assert line.spoilt == 2
    assert stored.ids == [job.id]


def test_an_answer_that_never_ends_is_given_up_when_the_patience_does(make: MakeClient, line: Line) -> None:
    client = make(line.url, patience=1)
    line.spoil("trickle", 100)
    with pytest.raises(UnreachableError, match="not complete in time"):
        client.post(*ECHO)


def test_an_ingress_that_is_paused_is_given_up_when_the_patience_ends_and_used_again_later(
    make: MakeClient, ingress: Cluster, stored: Stored
) -> None:
    client = make(patience=1, timeout=0.4)
    first = client.post(*ECHO)
    with paused(ingress):
        with pytest.raises(UnreachableError):
            client.post(*ECHO, idempotency_key="mine")
        with pytest.raises(UnreachableError):
            client.wait(str(first.id), timeout=0.5)
        events = client.events(str(first.id), timeout=1)
        with pytest.raises(UnreachableError):
            next(events)
    patient = make()
    again = patient.post(*ECHO, idempotency_key="mine")
    assert stored.ids == [first.id, again.id]


@pytest.mark.parametrize(
    ("answer", "error", "message"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>", UnreachableError, "without JSON"),
        (b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 6\r\n\r\n<html>", UnavailableError, "HTTP_502"),
        (b"HTTP/1.1 503 Away\r\nRetry-After: 1\r\nContent-Length: 0\r\n\r\n", UnavailableError, "HTTP_503"),
        (b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", UnreachableError, "Decoding"),
        (b"not http at all\r\n\r\n", UnreachableError, "RemoteProtocolError"),
    ],
)
def test_the_answer_of_something_else_than_the_api_is_an_error_of_the_client(
    make: MakeClient, answer: bytes, error: type[Exception], message: str
) -> None:
    with page(answer) as url:
        client = make(url, patience=0.5)
        with pytest.raises(error, match=message):
            client.post(*ECHO)
        with pytest.raises((UnavailableError, UnreachableError)):
            next(client.events("1", timeout=0.5))
