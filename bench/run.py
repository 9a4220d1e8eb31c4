"""The arguments of every part of a measurement."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bench.profiles import Profiler
    from bench.report import Report
    from bench.stack import Stack


@dataclass(frozen=True, slots=True, kw_only=True)
class Sizes:
    """The size of a measurement: seconds of load, and counts of jobs."""

    seconds: float
    connections: int
    backlog: int
    alone: int
    singles: int
    pause: float
    outage: int
    comes_back: bool
    kills: int
    marathon: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """The stack, the report, the sizes and the profiler that every part works with."""

    stack: Stack
    report: Report
    sizes: Sizes
    profiler: Profiler
