"""Headers that keep an answer from being stored, sniffed, framed or made to load what is not ours."""

from __future__ import annotations

from typing import Final

# An answer of the API is data: nothing in it may run or load, wherever a browser shows it.
_DATA_ONLY: Final = "default-src 'none'; frame-ancestors 'none'"
# The page of documentation runs its own script and talks to this server alone.
PAGE: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# On every answer that does not say otherwise itself.
PROTECTION: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", _DATA_ONLY),
    ("Referrer-Policy", "no-referrer"),
)
