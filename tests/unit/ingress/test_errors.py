"""Every exception ends as the same envelope, with the status and the headers that belong to it."""

from collections.abc import Callable
from typing import Any

import pytest
from flask import Flask
from sqlalchemy import exc as database_errors
from werkzeug.exceptions import NotImplemented as NotBuilt
from werkzeug.exceptions import TooManyRequests

from gristmill.ingress.errors import MalformedError, register_errors
from gristmill.ingress.http.every_request import EveryRequest
from gristmill.ingress.http.json import OrjsonProvider
from gristmill.shared.errors import (
    ConflictError,
    ForbiddenError,
    GristmillError,
    IdempotencyConflictError,
    InvalidArgsError,
    JobNotFoundError,
    TransientError,
    UnauthorizedError,
    UnavailableError,
)

CAUSE = Exception("host db.internal password=hunter2")


def app_that_raises(error: Exception) -> Flask:
    app = Flask("raises", static_folder=None)
    app.json = OrjsonProvider(app)
    register_errors(app)
    app.wsgi_app = EveryRequest(app.wsgi_app, lambda *_: None)  # type: ignore[method-assign]

    @app.get("/")
    def view() -> str:
        raise error

    return app


@pytest.mark.parametrize(
    ("make", "status", "code"),
    [
        (lambda: MalformedError("m"), 400, "REQUEST_MALFORMED_001"),
        (lambda: UnauthorizedError("m"), 401, "AUTH_UNAUTHORIZED_001"),
        (lambda: ForbiddenError("m"), 403, "AUTH_FORBIDDEN_001"),
        (lambda: JobNotFoundError("m"), 404, "JOB_NOT_FOUND_001"),
        (lambda: ConflictError("m"), 409, "STATE_CONFLICT_001"),
        (lambda: InvalidArgsError("m", {"args.x": ["wrong"]}), 422, "TASK_ARGS_INVALID_001"),
        (lambda: IdempotencyConflictError("m"), 422, "IDEMPOTENCY_KEY_REUSED_001"),
        (lambda: UnavailableError("m"), 503, "PLATFORM_UNAVAILABLE_001"),
        (lambda: database_errors.OperationalError("s", {}, CAUSE), 503, "PLATFORM_UNAVAILABLE_001"),
        (lambda: database_errors.InternalError("s", {}, CAUSE), 503, "PLATFORM_UNAVAILABLE_001"),
        (lambda: database_errors.TimeoutError("pool"), 503, "PLATFORM_UNAVAILABLE_001"),
        (lambda: database_errors.DataError("s", {}, CAUSE), 422, "REQUEST_INVALID_001"),
        (lambda: database_errors.IntegrityError("s", {}, CAUSE), 500, "PLATFORM_ERROR_001"),
        (lambda: TransientError("m"), 500, "PLATFORM_ERROR_001"),
        (lambda: GristmillError("m"), 500, "PLATFORM_ERROR_001"),
        (lambda: KeyError("hunter2"), 500, "PLATFORM_ERROR_001"),
        (lambda: RecursionError("hunter2"), 500, "PLATFORM_ERROR_001"),
        (NotBuilt, 501, "PLATFORM_ERROR_001"),
    ],
)
def test_an_exception_ends_as_an_envelope(make: Callable[[], Exception], status: int, code: str) -> None:
    answer = app_that_raises(make()).test_client().get("/", headers={"X-Request-ID": "mine-1"})
    assert answer.status_code == status
    error = answer.get_json()["error"]
    assert error.keys() == {"code", "message", "details", "request_id", "timestamp"}
    assert error["code"] == code
    assert error["request_id"] == answer.headers["X-Request-ID"] == "mine-1"
    assert error["timestamp"].endswith("Z")
    assert "hunter2" not in answer.get_data(as_text=True)
    assert "Traceback" not in answer.get_data(as_text=True)


@pytest.mark.parametrize(
    ("error", "header", "value"),
    [
        (UnavailableError("m", retry_after=7), "Retry-After", "7"),
        (TooManyRequests(retry_after=9), "Retry-After", "9"),
        (UnauthorizedError("m"), "WWW-Authenticate", 'Bearer realm="gristmill"'),
        (ForbiddenError("m"), "WWW-Authenticate", 'Bearer realm="gristmill", error="insufficient_scope"'),
    ],
)
def test_the_headers_of_an_error_are_kept(error: Exception, header: str, value: str) -> None:
    assert app_that_raises(error).test_client().get("/").headers[header] == value


def test_a_wrong_method_is_told_the_right_ones() -> None:
    answer = app_that_raises(KeyError()).test_client().delete("/")
    assert answer.status_code == 405
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}


@pytest.mark.parametrize("sent", ["", "with space", "x" * 129, "a\tb", "ümlaut"])
def test_a_request_id_that_is_not_sane_is_replaced(sent: str) -> None:
    client = app_that_raises(KeyError()).test_client()
    headers: Any = {"X-Request-ID": sent}
    made = client.get("/nothing", headers=headers).headers["X-Request-ID"]
    assert made != sent
    assert len(made) == 36


@pytest.mark.parametrize(
    ("sqlstate", "status", "says"),
    [("57P03", 503, "does not answer"), ("55P03", 503, "too busy"), ("57014", 503, "too busy")],
)
def test_a_database_that_is_busy_is_not_said_to_be_away(sqlstate: str, status: int, says: str) -> None:
    cause = Exception("as the server said")
    vars(cause)["pgcode"] = sqlstate
    answer = app_that_raises(database_errors.OperationalError("s", {}, cause)).test_client().get("/")
    assert (answer.status_code, answer.headers["Retry-After"]) == (status, "1")
    assert says in answer.get_json()["error"]["message"]
