"""`X-Request-ID`: taken from the client when it is sane, made when not, in every log line and answer of the request."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

import structlog
from flask import g, request
from uuid_utils.compat import uuid7

if TYPE_CHECKING:
    from flask import Flask, Response

HEADER: Final = "X-Request-ID"
_SANE: Final = re.compile(r"[\x21-\x7e]{1,128}")


def register_request_ids(app: Flask) -> None:
    """Give every request of `app` its id."""
    app.before_request(_begin)
    app.after_request(_finish)
    app.teardown_request(_forget)


def _begin() -> None:
    given = request.headers.get(HEADER, "")
    g.request_id = given if _SANE.fullmatch(given) else str(uuid7())
    structlog.contextvars.bind_contextvars(request_id=g.request_id)


def _finish(response: Response) -> Response:
    response.headers[HEADER] = g.get("request_id", "")
    return response


def _forget(_error: BaseException | None) -> None:
    structlog.contextvars.unbind_contextvars("request_id")
