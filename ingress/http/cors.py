"""Allow pages of configured origins to call this API (CORS of the Fetch standard); by default none."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from flask import request

if TYPE_CHECKING:
    from flask import Flask, Response

_HEADERS: Final = "Authorization, Content-Type, Idempotency-Key, Last-Event-ID, Prefer, X-Request-ID"
_EXPOSED: Final = (
    "Idempotency-Replayed, Location, Preference-Applied, RateLimit-Limit, RateLimit-Remaining, RateLimit-Reset, "
    "Retry-After, X-Request-ID"
)
_MAX_AGE: Final = "600"  # seconds for which a browser keeps the answer to a preflight


def register_cors(app: Flask, origins: tuple[str, ...]) -> None:
    """Allow pages of exactly these origins to call `app`. Scripts send keys, never the browser: no credentials."""
    allowed = frozenset(origins)

    def allow(response: Response) -> Response:
        response.vary.add("Origin")
        origin = request.headers.get("Origin")
        if origin in allowed:
            headers = response.headers
            headers["Access-Control-Allow-Origin"] = origin
            headers["Access-Control-Expose-Headers"] = _EXPOSED
            if request.method == "OPTIONS" and "Access-Control-Request-Method" in request.headers:
                headers["Access-Control-Allow-Methods"] = ", ".join(sorted(response.allow))
                headers["Access-Control-Allow-Headers"] = _HEADERS
                headers["Access-Control-Max-Age"] = _MAX_AGE
        return response

    if allowed:
        app.after_request(allow)
