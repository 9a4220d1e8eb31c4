"""The HTTP back end on servers that misbehave: what is sent again, what is told, what is never repeated."""

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from uuid import UUID

import pytest

from gristmill.backends.address import Address
from gristmill.backends.over_http import HttpBackend, UnreachableError
from gristmill.ports import free_port
from gristmill.shared.errors import ConflictError, ForbiddenError, GristmillError, NotFoundError, UnauthorizedError

KEY = "gm_aaaaaaaaaaaa_hushhushhush"
JOB = UUID("01993c1e-0000-7000-8000-000000000000")
PAGE: dict[str, Any] = {"items": [], "next_cursor": None}


class Server:
    """An API that answers as it is told, one answer after the other; the last one stays."""

    def __init__(self, *answers: Callable[[BaseHTTPRequestHandler], None]) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, str, dict[str, str]]] = []

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        heard = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append((request.command, request.path, heard))
        request.rfile.read(int(heard.get("content-length", 0)))
        (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0])(request)


def says(status: int, body: Any, kind: str = "application/json", **headers: str) -> Callable[[Any], None]:
    def answer(request: BaseHTTPRequestHandler) -> None:
        text = body if isinstance(body, str) else json.dumps(body)
        request.send_response_only(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(text.encode())), **headers}.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(text.encode())

    return answer


def hangs_up(request: BaseHTTPRequestHandler) -> None:
    """End the connection without an answer."""
    request.close_connection = True


def error(status: int, message: str, **details: Any) -> Callable[[Any], None]:
    told = {"code": "X", "message": message, "details": details, "request_id": "r-1"}
    return says(status, {"error": told})


@contextmanager
def serving(*answers: Callable[[Any], None]) -> Iterator[tuple[HttpBackend, Server]]:
    told = Server(*answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            told.answer(self)

        def do_POST(self) -> None:
            told.answer(self)

        def log_message(self, *_: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
    address = Address(f"http://127.0.0.1:{server.server_port}", KEY, "GRISTMILL_URL", "GRISTMILL_API_KEY")
    backend = HttpBackend(address, patience=20.0)
    try:
        yield backend, told
    finally:
        backend.close()
        server.shutdown()
        server.server_close()


def test_the_key_is_sent_and_is_in_no_repr() -> None:
    with serving(says(200, PAGE)) as (backend, server):
        assert backend.ask("search_jobs", {"limit": 1}) == PAGE
        (method, path, heard) = server.asked[0]
        assert (method, path, heard["authorization"]) == ("POST", "/api/v1/jobs/search", f"Bearer {KEY}")
    assert KEY not in repr(Address("u", KEY, "o", "k"))


def test_a_refusal_that_says_later_is_asked_again() -> None:
    with serving(error(503, "busy"), error(429, "slow"), says(200, PAGE)) as (backend, server):
        assert backend.ask("create_producer", {"name": "x"}) == PAGE
        assert len(server.asked) == 3


def test_a_lost_answer_is_asked_for_again_only_where_that_is_harmless() -> None:
    with serving(hangs_up, says(200, PAGE)) as (backend, server):
        assert backend.ask("search_jobs", {}) == PAGE
        assert len(server.asked) == 2
    with serving(hangs_up, says(200, PAGE)) as (backend, server):
        with pytest.raises(UnreachableError, match="It may have been done all the same"):
            backend.ask("create_key", {}, producer_id="x")
        assert len(server.asked) == 1
    with serving(says(502, "<html>", "text/html"), says(200, PAGE)) as (backend, server):
        with pytest.raises(UnreachableError, match="a proxy"):
            backend.ask("rotate_key", {}, producer_id="x", key_id="y")
        assert len(server.asked) == 1


def test_a_posted_job_is_sent_again_with_the_same_idempotency_key() -> None:
    with serving(hangs_up, says(202, {"id": str(JOB)})) as (backend, server):
        assert backend.ask("post_job", {"task": "demo.echo"}) == {"id": str(JOB)}
        first, second = (heard["idempotency-key"] for _, _, heard in server.asked)
        assert first == second


@pytest.mark.parametrize(
    ("status", "kind", "told"),
    [
        (401, UnauthorizedError, "refuses the key of GRISTMILL_API_KEY"),
        (403, ForbiddenError, "the key is that of GRISTMILL_API_KEY"),
        (404, NotFoundError, "no"),
        (409, ConflictError, "no"),
        (500, GristmillError, "no"),
    ],
)
def test_a_refusal_is_the_error_that_it_would_be_on_the_server(
    status: int, kind: type[GristmillError], told: str
) -> None:
    with serving(error(status, "no", field=["wrong"])) as (backend, _):
        with pytest.raises(kind, match=told) as caught:
            backend.ask("show_job", job_id=JOB)
        assert caught.value.details == {"field": ["wrong"], "request id": "r-1"}
        assert KEY not in str(caught.value)


def test_what_is_not_gristmill_is_told() -> None:
    for answer in (says(200, "<html>", "text/html"), says(404, "<html>", "text/html"), says(418, ["x"])):
        with serving(answer) as (backend, _), pytest.raises(UnreachableError, match="check GRISTMILL_URL"):
            backend.ask("list_queues")


def test_a_redirect_is_not_followed_with_the_key() -> None:
    with serving(says(301, "", "text/html", Location="http://127.0.0.1:1/")) as (backend, server):
        with pytest.raises(UnreachableError):
            backend.ask("list_queues")
        assert len(server.asked) == 1


def test_an_address_where_nobody_listens_is_told_within_seconds() -> None:
    address = Address(f"http://127.0.0.1:{free_port()}", KEY, "the profile there", "the profile there")
    backend = HttpBackend(address, patience=1.0)
    with pytest.raises(UnreachableError, match=r"does not answer .* check the profile there"):
        backend.ask("list_queues")
    backend.close()


def event(number: int, kind: str) -> str:
    return f'id: {number}\nevent: {kind}\ndata: {{"attempt": {number}}}\n\n'


def test_events_continue_where_the_stream_was_cut() -> None:
    stream = "text/event-stream"
    first = says(200, f"retry: 1000\n\n{event(0, 'job.accepted')}: still here\n\n", stream)
    second = says(200, event(1, "attempt.started") + event(2, "job.succeeded"), stream)
    with serving(first, hangs_up, error(503, "busy"), second) as (backend, server):
        events = [each for each in backend.follow(JOB) if each is not None]
        assert [each["event"] for each in events] == ["job.accepted", "attempt.started", "job.succeeded"]
        assert events[1] == {"id": "1", "event": "attempt.started", "data": {"attempt": 1}}
        assert [heard.get("last-event-id") for _, _, heard in server.asked] == [None, "0", "0", "0"]


def test_the_events_of_a_job_that_is_not_there_are_refused_at_once() -> None:
    with serving(error(404, "No job")) as (backend, _), pytest.raises(NotFoundError):
        list(backend.follow(JOB))


def test_ages_are_told_by_the_clock_of_the_server() -> None:
    with serving(says(200, PAGE, Date="Tue, 01 Jan 2030 12:00:00 GMT")) as (backend, _):
        backend.ask("list_queues")
        assert (backend.clock().year, backend.clock().hour) == (2030, 12)
