"""Security headers: answers are not stored, sniffed or framed, and load nothing from other hosts."""

from __future__ import annotations

from typing import Final

# An answer of the API is data: a browser that shows it must not run or load anything in it.
_DATA_ONLY: Final = "default-src 'none'; frame-ancestors 'none'"
# The documentation page runs its own script and connects to this server alone.
PAGE: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# On every answer that does not set the header itself.
PROTECTION: Final = (
    ("X-Content-Type-Options", "nosniff"),
    ("Cache-Control", "no-store"),
    ("Content-Security-Policy", _DATA_ONLY),
    ("Referrer-Policy", "no-referrer"),
)
