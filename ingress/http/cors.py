"""Which pages of other origins a browser lets ask this API (the Fetch standard's CORS): by default none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flask import request

if TYPE_CHECKING:
    from flask import Flask, Response

_HEADERS: Final = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Prefer, X-Request-ID"
_SHOWN: Final = (
    "Idempotency-Replayed, Location, Preference-Applied, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, "
    "Retry-After, X-Request-ID"
)
_REMEMBERED: Final = "600"  # seconds that a browser need not ask again


def register_cors(app: Flask, origins: tuple[str, ...]) -> None:
    """Let pages of exactly these origins ask `app`. Keys are sent by script, never by the browser: no credentials."""
    allowed = frozenset(origins)

    def allow(response: Response) -> Response:
        response.vary.add("Origin")
        origin = request.headers.get("Origin")
        if origin in allowed:
            headers = response.headers
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = _SHOWN
            if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
                headers["Access-Control-Allow-Methods"] = ", ".join(sorted(response.allow))
                headers["Access-Control-Allow-Headers"] = _HEADERS
                headers["Access-Control-Max-Age"] = _REMEMBERED
        return response

    if allowed:
        app.after_request(allow)
