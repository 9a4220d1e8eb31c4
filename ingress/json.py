"""JSON at the door: what jsonb, a worker or another language could not read back unchanged is refused here."""

from __future__ import annotations

import json
import re
from typing import Any, Final

import orjson
from flask import Request, Response, g
from flask.json.provider import JSONProvider
from werkzeug.exceptions import RequestEntityTooLarge, UnsupportedMediaType

from ingress.errors import MalformedError

MEDIA_TYPE: Final = "application/json"
MAX_DEPTH: Final = 32
SMALLEST_INTEGER: Final = -(2**63)
LARGEST_INTEGER: Final = 2**64 - 1
_MANY_DIGITS: Final = re.compile(rb"\d{19}")  # the shortest that 64 bit may not hold
_ESCAPED_NUL: Final = b"\\u0000"
_OPTIONS: Final = orjson.OPT_UTC_Z


class OrjsonProvider(JSONProvider):
    """Flask's JSON, by orjson: strict, and half the time of the standard library's."""

    def dumps(self, obj: Any, **_kwargs: Any) -> str:
        return orjson.dumps(obj, option=_OPTIONS).decode()

    def loads(self, s: str | bytes, **_kwargs: Any) -> Any:
        return parse(s.encode() if isinstance(s, str) else s)

    def response(self, *args: Any, **kwargs: Any) -> Response:
        return Response(orjson.dumps(self._prepare_response_obj(args, kwargs), option=_OPTIONS), mimetype=MEDIA_TYPE)


def read_json(request: Request) -> Any:
    """Return the body of `request`.

    Raises:
        UnsupportedMediaType: it does not say that it is JSON.
        RequestEntityTooLarge: it is larger than the app allows.
        MalformedError: it is not JSON, or JSON that would not survive being stored.
    """
    if request.mimetype != MEDIA_TYPE:
        raise UnsupportedMediaType("Send JSON, with the header `Content-Type: application/json`")
    if request.headers.get("Content-Encoding", "identity") != "identity":
        raise UnsupportedMediaType("Send the body as it is, without Content-Encoding")
    data, limit = request.get_data(), request.max_content_length
    if limit is not None and len(data) >= limit and request.content_length is None:
        # Of a body that comes in chunks, werkzeug gives what fits and is silent about the rest.
        raise RequestEntityTooLarge
    g.body = parse(data)
    return g.body


def body() -> Any:
    """Return the body of this request as it was sent, before a schema filled in defaults."""
    return g.body


def parse(body: bytes) -> Any:
    """Return the value that `body` holds.

    Raises:
        MalformedError: broken JSON, NaN or infinity, a number beyond 64 bit or double, NUL, half a surrogate pair,
            or nesting beyond 32.
    """
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        msg = f"The body is not valid JSON: {error}"
        raise MalformedError(msg) from None
    # The looks at the raw bytes are cheap and never miss; only what they suspect is walked.
    if body.count(b"[") + body.count(b"{") > MAX_DEPTH:
        _refuse_deep_nesting(value)
    if _ESCAPED_NUL in body:
        _refuse_nul(value)
    if _MANY_DIGITS.search(body):
        json.loads(body, parse_int=_refuse_large_integer)
    return value


def _refuse_deep_nesting(value: Any) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [inner for outer in level for inner in _children(outer) if isinstance(inner, (dict, list))]
        if not level:
            return
    msg = f"The body nests deeper than {MAX_DEPTH} levels; flatten it"
    raise MalformedError(msg)


def _children(value: Any) -> Any:
    return value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()


def _refuse_nul(value: Any) -> None:
    todo = [value]
    while todo:
        item = todo.pop()
        if isinstance(item, dict):
            todo.extend(item.keys())
        todo.extend(_children(item))
        if isinstance(item, str) and "\0" in item:
            raise MalformedError(
                "The body holds the character NUL (\\u0000), which Postgres cannot store; leave it out"
            )


def _refuse_large_integer(digits: str) -> None:
    if len(digits) > len(str(SMALLEST_INTEGER)) or not SMALLEST_INTEGER <= int(digits) <= LARGEST_INTEGER:
        msg = f"The number {digits[:40]} does not fit in 64 bit and would lose digits; send it as a string"
        raise MalformedError(msg)
