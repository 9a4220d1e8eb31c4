"""Aims of the comparison: each with the figure that was measured, and the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from bench.peers.figures import ratio_text
from bench.report import number

if TYPE_CHECKING:
    from collections.abc import Mapping

    from bench.peers.figures import Figures


@dataclass(frozen=True, slots=True, kw_only=True)
class Aim:
    """One aim.

    Attributes:
        line: the name of what is measured.
        against: the peers that ours is compared with, all that have such a figure when empty.
        times: how many times theirs ours is at least.
        at_least: or what ours is at least, whatever theirs is.
        at_most: or at most.
    """

    title: str
    line: str
    against: tuple[str, ...] = ()
    times: float | None = None
    at_least: float | None = None
    at_most: float | None = None


AIMS: Final = (
    Aim(title="accepted, 32 at once", line="at_once", against=("flask-celery",), times=4.0),
    Aim(title="accepted, 1,000 a call, a second", line="batch", at_least=15_000.0),
    Aim(title="accepted, 1,000 a call", line="batch", times=1.0),
    Aim(title="executed, nothing to do, with all state", line="noop", against=("celery",), times=5.0),
    Aim(
        title="executed, nothing to do, with all state",
        line="noop",
        against=("pgqueuer", "procrastinate", "dramatiq", "rq"),
        times=1.0,
    ),
    Aim(title="executed, nothing to do, with all state", line="noop", against=("graphile-worker", "bullmq"), times=1.0),
    Aim(title="executed, one row", line="effect", against=("celery-stateful",), times=5.0),
    Aim(title="to start, idle, p50, ms", line="idle_p50", at_most=10.0),
)


def rows(figures: Figures, titles: Mapping[str, str]) -> list[str]:
    """Return a line of a table for each aim that something was measured of.

    Args:
        titles: of the peers that took part, by name.
    """
    found = (_row(aim, figures, titles) for aim in AIMS)
    return [row for row in found if row is not None]


def _row(aim: Aim, figures: Figures, titles: Mapping[str, str]) -> str | None:
    ours = figures.summary(figures.ours, aim.line)
    if ours is None:
        return None
    if aim.times is None:
        met = ours.median >= aim.at_least if aim.at_least is not None else ours.median <= (aim.at_most or 0.0)
        bound = f"≥ {number(aim.at_least)}" if aim.at_least is not None else f"≤ {number(aim.at_most or 0.0)}"
        return f"| {aim.title} | {bound} | {number(ours.median)} | {_verdict(met)} |"
    peers = [name for name in titles if not name.startswith(figures.ours) and name in (aim.against or titles)]
    measured = {name: figures.summary(name, aim.line) for name in peers}
    ratios = {name: 1 / found.ratio for name, found in measured.items() if found is not None and found.ratio}
    if not ratios:
        return None
    told = ", ".join(f"{titles[name]} {ratio_text(ratio)}" for name, ratio in sorted(ratios.items(), key=_by_ratio))
    met = min(ratios.values()) >= aim.times
    return f"| {aim.title}, ours to theirs | ≥ {ratio_text(aim.times)} × | {told} | {_verdict(met)} |"


def _by_ratio(named: tuple[str, float]) -> float:
    return named[1]


def _verdict(met: bool) -> str:
    return "met" if met else "**missed**"
