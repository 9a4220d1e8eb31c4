"""Headers that keep an answer from being stored, sniffed, framed or made to load what is not ours."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from flask import Flask, Response

# An answer of the API is data: nothing in it may run or load, wherever a browser shows it.
_DATA_ONLY: Final = "default-src 'none'; frame-ancestors 'none'"
# The page of documentation runs its own script and talks to this server alone.
PAGE: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)


def register_security_headers(app: Flask) -> None:
    """Put the headers on every answer of `app`; a view that set one itself keeps it."""
    app.after_request(_protect)


def _protect(response: Response) -> Response:
    headers = response.headers
    headers["X-Content-Type-Options"] = "nosniff"
    headers.setdefault("Cache-Control", "no-store")
    headers.setdefault("Content-Security-Policy", _DATA_ONLY)
    headers.setdefault("Referrer-Policy", "no-referrer")
    return response
