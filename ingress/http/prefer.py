"""Parse the header `Prefer` (RFC 7240): `wait=10`."""

from __future__ import annotations

import re
from typing import Final

from gristmill.ingress.following.followers import LONGEST_WAIT

_WAIT: Final = re.compile(r"(?:^|,)\s*wait\s*=\s*(\d{1,6})\s*(?=[,;]|$)", re.IGNORECASE)

PREFER: Final = {
    "in": "header",
    "name": "Prefer",
    "description": f"`wait=10`: answer with the finished job if it ends within 10 seconds ({LONGEST_WAIT:g} at most).",
    "schema": {"type": "string"},
    "example": "wait=10",
}


def read_wait(header: str | None) -> float | None:
    """Return the seconds of a `wait` preference, or None without a valid one."""
    found = _WAIT.search(header) if header is not None else None
    return min(float(found[1]), LONGEST_WAIT) if found else None
