"""Whether this worker was told to stop: its parent process learns it by a signal, its children see it in memory."""

from __future__ import annotations

import mmap
from typing import Any


class Stopping:
    """One byte in memory that a fork shares: written once by the parent, read by the children between two jobs.

    It has no lock, since a child may be killed while it holds one; a look costs a read of memory.
    """

    def __init__(self) -> None:
        self._byte = memoryview(mmap.mmap(-1, 1))

    def tell(self, **_: Any) -> None:
        """Tell the children to begin nothing more. Celery sends this at once, from its handler of SIGTERM."""
        self._byte[0] = 1

    def is_told(self) -> bool:
        """Say whether the worker was told to stop."""
        return self._byte[0] == 1
