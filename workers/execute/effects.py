"""Sort claimed jobs by the kind of their effects: bundles of database tasks, and jobs with effects outside."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from gristmill.shared.task import Task, registry

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gristmill.shared.jobs.moves import Claimed


class SortedJobs(NamedTuple):
    """The jobs of a hint, by what is done with them."""

    bundles: list[tuple[Task, list[Claimed]]]
    outside: list[tuple[Task, Claimed]]
    unknown: list[Claimed]  # of tasks that this worker does not know


def sort_by_effects(claimed: Iterable[Claimed]) -> SortedJobs:
    """Sort claimed jobs; those of one database task become one bundle."""
    bundles: dict[str, list[Claimed]] = {}
    outside: list[tuple[Task, Claimed]] = []
    unknown: list[Claimed] = []
    for job in claimed:
        task = registry.find(job.task)
        if task is None:
            unknown.append(job)
        elif task.effects == "outside":
            outside.append((task, job))
        else:
            bundles.setdefault(job.task, []).append(job)
    return SortedJobs([(registry.get(name), jobs) for name, jobs in bundles.items()], outside, unknown)
