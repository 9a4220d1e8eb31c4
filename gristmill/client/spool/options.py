"""The limits and callbacks of a spool."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from gristmill.client.spool.records import Spooled

OnFlushed = Callable[[Spooled], Awaitable[object] | object]


@dataclass(frozen=True)
class SpoolOptions:
    """A folder for jobs that are posted while the API is unreachable, with its limits.

    Programs of one user on one machine may share the folder. It must be on a local disk.

    Attributes:
        folder: the folder; it is made if it does not exist. Nobody else may read it (0700), nor its files (0600).
        max_jobs: the number of jobs that it may hold: those to be sent, and those that were refused.
        max_bytes: the size of these jobs as JSON.
        retention: the time for which a job that was accepted is found by its key.
        max_outcomes: the number of accepted jobs that are found by their keys; the newest are kept.
        flush_every: seconds between two tries to send what is in the spool; 0 for no other than `spool.flush()`.
        on_flushed: is called with a `Spooled` for each job that left the spool, accepted or refused. See below.
        secret_args: the names of the secret arguments, by task, which are never kept on disk. Those that
            `GET /api/v1/tasks` tells are added, as soon as the API was reachable once.

    `on_flushed` is called after the outcome is on disk, by whichever program sent the job. If it raises, or if the
    program ends in between, it is called again at a later flush: at least once for each job. With `AsyncClient` it may
    be a coroutine function.

    Raises:
        ValueError: a limit is not positive.
    """

    folder: str | Path
    max_jobs: int = 100_000
    max_bytes: int = 256 * 1024 * 1024
    retention: timedelta = timedelta(days=7)
    max_outcomes: int = 100_000
    flush_every: float = 5.0
    on_flushed: OnFlushed | None = None
    secret_args: Mapping[str, Collection[str]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        limits = (self.max_jobs, self.max_bytes, self.max_outcomes, self.retention.total_seconds())
        if min(limits) <= 0 or self.flush_every < 0:
            msg = "max_jobs, max_bytes, max_outcomes and retention must be more than 0, and flush_every at least 0"
            raise ValueError(msg)
        strings = [task for task, names in self.secret_args.items() if isinstance(names, str)]
        if strings:
            msg = f"secret_args has a text for {strings[0]}: write a list of names, such as ['password']"
            raise ValueError(msg)
