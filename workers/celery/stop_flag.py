"""Tell the children of a worker to stop: their parent sets a flag in memory that they share."""

from __future__ import annotations

import mmap
from typing import Any


class StopFlag:
    """One byte in memory that a fork shares: written once by the parent, read by the children between two jobs.

    It has no lock, since a child may be killed while it holds one.
    """

    def __init__(self) -> None:
        self._byte = memoryview(mmap.mmap(-1, 1))

    def set(self, **_: Any) -> None:
        """Tell the children to begin nothing more. Celery calls this from its handler of SIGTERM."""
        self._byte[0] = 1

    def is_set(self) -> bool:
        """Say whether the worker was told to stop."""
        return self._byte[0] == 1
