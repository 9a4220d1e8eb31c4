"""Turn exceptions into answers: `{"error": {code, message, details, request_id, timestamp}}`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import singledispatch
from typing import TYPE_CHECKING, Any, Final, cast

import structlog
from flask import current_app, request
from sqlalchemy import exc as database_errors
from werkzeug.exceptions import HTTPException, MethodNotAllowed, NotFound, RequestEntityTooLarge

from gristmill.shared.args import flatten
from gristmill.shared.base.logging import REQUEST_ID
from gristmill.shared.base.outages import is_away
from gristmill.shared.errors import (
    ConflictError,
    ForbiddenError,
    GristmillError,
    InvalidError,
    NotFoundError,
    QuotaExceededError,
    UnauthorizedError,
    UnavailableError,
)

if TYPE_CHECKING:
    from flask import Flask, Response

log = structlog.get_logger()


class MalformedError(GristmillError):
    """The body cannot be read as JSON."""

    code = "REQUEST_MALFORMED_001"


class TooManyRequestsError(GristmillError):
    """A rate limit is used up; the headers of every answer report the limit and its reset."""

    code = "RATE_LIMITED_001"


class TooManyBodiesError(TooManyRequestsError):
    """Too many requests of one producer have not sent their bodies."""

    retry_after = 1  # seconds


@dataclass(frozen=True, slots=True)
class Refusal:
    """An error as it is reported to the client."""

    status: int
    code: str
    message: str
    details: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


STATUS: Final[dict[type[GristmillError], int]] = {
    MalformedError: 400,
    UnauthorizedError: 401,
    ForbiddenError: 403,
    NotFoundError: 404,
    ConflictError: 409,
    InvalidError: 422,
    QuotaExceededError: 429,
    TooManyRequestsError: 429,
    UnavailableError: 503,
}
CODES: Final[dict[int, str]] = {
    400: "REQUEST_MALFORMED_001",
    404: "RESOURCE_NOT_FOUND_001",
    405: "REQUEST_METHOD_001",
    413: "REQUEST_TOO_LARGE_001",
    415: "REQUEST_MEDIA_TYPE_001",
    422: "REQUEST_INVALID_001",
}
AWAY: Final = Refusal(
    503,
    UnavailableError.code,
    "The database does not answer right now; nothing was done, try again",
    headers={"Retry-After": "1"},
)
BUSY: Final = Refusal(
    503,
    UnavailableError.code,
    "The database is too busy for this request right now; nothing was done, try again",
    headers={"Retry-After": "1"},
)


def register_errors(app: Flask) -> None:
    """Answer every exception of `app` with an error envelope."""
    app.register_error_handler(HTTPException, answer)
    app.register_error_handler(Exception, answer)


def answer(error: Exception) -> Response:
    """Return the answer to a request that ended with `error`."""
    refusal = explain(error)
    made = cast("Response", current_app.json.response(envelope(refusal)))
    made.status_code = refusal.status
    made.headers.update(refusal.headers)
    return made


def envelope(refusal: Refusal) -> dict[str, Any]:
    """Return the body that reports `refusal`."""
    return {
        "error": {
            "code": refusal.code,
            "message": refusal.message,
            "details": refusal.details,
            "request_id": REQUEST_ID.get(),
            "timestamp": datetime.now(UTC),
        }
    }


@singledispatch
def explain(error: Exception) -> Refusal:
    """Return how `error` is reported to the client. An unexpected error reveals no details."""
    log.error("request.failed", method=request.method, path=request.path, exc_info=error)
    message = "An internal error occurred; it is logged with this request_id"
    return Refusal(500, GristmillError.code, message)


@explain.register
def _(error: GristmillError) -> Refusal:
    for kind in type(error).__mro__:
        if kind in STATUS:
            return Refusal(STATUS[kind], error.code, error.message, error.details, _headers(error))
    return explain.dispatch(Exception)(error)


def _headers(error: GristmillError) -> dict[str, str]:
    if isinstance(error, (UnavailableError, QuotaExceededError, TooManyBodiesError)):
        return {"Retry-After": str(error.retry_after)}
    if isinstance(error, UnauthorizedError):
        return {"WWW-Authenticate": 'Bearer realm="gristmill"'}
    if isinstance(error, ForbiddenError):
        return {"WWW-Authenticate": 'Bearer realm="gristmill", error="insufficient_scope"'}
    return {}


@explain.register
def _(error: HTTPException) -> Refusal:
    status = error.code or 500
    headers = {name: value for name, value in error.get_headers() if name not in ("Content-Type", "Content-Length")}
    if status >= 500:  # noqa: PLR2004  the class of errors that are ours
        return Refusal(status, GristmillError.code, error.description or error.name, headers=headers)
    return Refusal(status, CODES.get(status, f"REQUEST_REFUSED_{status}"), _message(error), _details(error), headers)


def _message(error: HTTPException) -> str:
    if isinstance(error, NotFound):
        return f"No route matches {request.path[:200]}: GET /openapi.json lists the routes"
    if isinstance(error, MethodNotAllowed):
        allowed = ", ".join(sorted(error.valid_methods or ()))
        return f"{request.method} is not allowed here; use one of {allowed}"
    if isinstance(error, RequestEntityTooLarge):
        return f"The body is larger than {request.max_content_length} bytes; store large objects elsewhere, send URLs"
    if hasattr(error, "data"):
        return "The request is not valid: details names each wrong field"
    return error.description or error.name


def _details(error: HTTPException) -> dict[str, list[str]]:
    """Return the wrong fields of a webargs error by path; webargs groups them by location."""
    messages: Any = getattr(error, "data", {}).get("messages", {})
    details: dict[str, list[str]] = {}
    for in_location in messages.values():
        details |= flatten(in_location, "")
    return {path or "body": texts for path, texts in details.items()}


@explain.register(database_errors.SQLAlchemyError)
def _(error: database_errors.SQLAlchemyError) -> Refusal:
    away = is_away(error)
    if not (away or isinstance(error, database_errors.OperationalError)):  # a lock, or a statement that took too long
        return explain.dispatch(Exception)(error)
    event = "request.database_away" if away else "request.database_busy"
    log.warning(event, method=request.method, path=request.path, error=str(error)[:500])
    return AWAY if away else BUSY


@explain.register
def _(error: database_errors.DataError) -> Refusal:
    log.error("request.data_refused", method=request.method, path=request.path, exc_info=error)
    return Refusal(422, InvalidError.code, "The database cannot store a value of this request")
