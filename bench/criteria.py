"""The criteria of a load test: a pure judgement, apart from the tool that measures."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Criteria:
    """The most that is allowed, and the least that is asked for.

    Attributes:
        p95: milliseconds of all requests together.
        errors: the part of the requests that may fail.
        users: who must have been there at the same time.
    """

    p95: float = 200.0
    errors: float = 0.001
    users: int = 1_000


def missed(criteria: Criteria, *, requests: int, p95: float, errors: float, users: int) -> list[str]:
    """Return each criterion that was missed, in words; nothing when all were met."""
    told: list[str] = []
    if requests == 0:
        told.append("no request was answered: is the platform running, and are GRISTMILL_URL and the key right?")
    if p95 >= criteria.p95:
        told.append(f"p95 is {p95:.0f} ms, and must be below {criteria.p95:g} ms")
    if errors >= criteria.errors:
        told.append(f"{errors:.2%} of the requests failed, and fewer than {criteria.errors:.2%} may")
    if users < criteria.users:
        told.append(
            f"{users} users were there at once, and {criteria.users} are asked for: run longer, or spawn faster"
        )
    return told
