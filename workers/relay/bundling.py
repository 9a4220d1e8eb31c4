"""Bundle due jobs into hints: alone while there is little to do, together once every worker process has work."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from gristmill.shared.queues import QUEUES
from gristmill.shared.task import registry
from gristmill.workers.hint_size import max_hint_size
from gristmill.workers.relay.hint import Hint

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from gristmill.shared.jobs.outbox import Due

# Hints for each worker process of a queue before two jobs share one, so that no process idles beside a bundle.
SHARES: Final = 4


def bundle_hints(due: Sequence[Due], *, deep: Collection[str] = ()) -> list[Hint]:
    """Make hints of due rows, in their order.

    Args:
        deep: queues in which hints wait for every worker process already: there a hint carries as many jobs as it may.
            In the others it carries as many as leave each process its share.
    """
    hints: list[Hint] = []
    counts = Counter((row.task, row.queue) for row in due if not row.alone)
    open_hints: dict[tuple[str, str], list[Due]] = {}
    for row in due:
        if row.alone:
            hints.append(_hint([row]))
            continue
        kind = (row.task, row.queue)
        rows = open_hints.setdefault(kind, [])
        rows.append(row)
        if len(rows) >= _size(row, counts[kind], deep):
            hints.append(_hint(open_hints.pop(kind)))
    return hints + [_hint(rows) for rows in open_hints.values()]


def _size(row: Due, count: int, deep: Collection[str]) -> int:
    most = max_hint_size(registry.find(row.task))
    if most == 1 or row.queue in deep:
        return most
    return min(most, max(1, count // (SHARES * QUEUES[row.queue].concurrency)))


def _hint(rows: Sequence[Due]) -> Hint:
    first = rows[0]
    return Hint(first.task, first.queue, tuple(row.job_id for row in rows), revivals=first.revivals)
