"""The folder of a spool: private to one user, and flushed by one process at a time."""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gristmill.client.errors import SpoolError

FILE: Final = "jobs.sqlite"
_LOCK: Final = "flush.lock"
_OWN: Final = frozenset({_LOCK, *(FILE + suffix for suffix in ("", "-wal", "-shm", "-journal"))})
_OTHERS: Final = 0o077


class SpoolFolder:
    """A folder that only its user can enter.

    Raises:
        SpoolError: it cannot be made, is a file, belongs to another user, or is open to others and in use.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.file = self.path / FILE
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            self._make_private()
            os.close(_open(self.file))  # SQLite gives its other files the rights of this one
            os.close(_open(self.path / _LOCK))
        except FileExistsError:
            msg = f"The spool {self.path} is a file: give the name of a folder, which is made if it does not exist"
            raise SpoolError(msg) from None
        except OSError as error:
            msg = f"The spool {self.path} cannot be used: {error}"
            raise SpoolError(msg) from error

    def _make_private(self) -> None:
        found = self.path.stat()
        if found.st_uid != os.geteuid():
            msg = f"The spool {self.path} belongs to another user: give each user a folder of their own"
            raise SpoolError(msg)
        if stat.S_IMODE(found.st_mode) & _OTHERS:
            others = sorted({entry.name for entry in self.path.iterdir()} - _OWN)
            if others:  # a folder that is used for something else, too: its rights are not ours to change
                msg = (
                    f"The spool {self.path} is open to other users, and holds {others[0]}: give it a folder of its own"
                )
                raise SpoolError(msg)
            self.path.chmod(0o700)

    @contextmanager
    def flushing(self) -> Iterator[bool]:
        """Yield True if no other process or thread flushes; they do not begin until the block ends.

        The kernel releases the lock of a process that dies.
        """
        lock = _open(self.path / _LOCK)
        try:
            yield _take(lock)
        finally:
            os.close(lock)


def _open(path: Path) -> int:
    """Open a private file, which is made if it does not exist; a link is refused."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600)
    os.fchmod(descriptor, 0o600)
    return descriptor


def _take(lock: int) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
