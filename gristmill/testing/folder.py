"""The folder of an embedded server: in memory where there is enough, since each test copies 300 files."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

MEMORY: Final = Path("/dev/shm")  # noqa: S108  # nosec B108  tempfile makes an unpredictable name in it
ENOUGH: Final = 1 << 30  # bytes that are free: a server takes a fifth of it
_PREFIX: Final = "gristmill-testing-"
_NEW: Final = 60.0  # seconds: a folder this young may belong to a session that has not locked it yet


@contextmanager
def server_folder() -> Iterator[Path]:
    """Make a folder, and remove it when the block ends; those of sessions that were killed are removed, too."""
    root = _root()
    _remove_abandoned(root)
    folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
    folder.chmod(0o755)  # Postgres may have to run as the user `nobody`; its own folder in it is private
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(handle)


def _root() -> Path:
    """Return where temporary files go: into memory, unless TMPDIR says where or there is not enough."""
    is_chosen = "TMPDIR" in os.environ
    if not is_chosen and os.access(MEMORY, os.W_OK | os.X_OK) and shutil.disk_usage(MEMORY).free >= ENOUGH:
        return MEMORY
    return Path(tempfile.gettempdir())


def _remove_abandoned(root: Path) -> None:
    """Remove folders that no session has locked: the kernel frees the lock of one that was killed."""
    for folder in root.glob(f"{_PREFIX}*"):
        try:
            if folder.stat().st_uid != os.getuid() or time.time() - folder.stat().st_mtime < _NEW:
                continue
            handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        except OSError:  # gone meanwhile
            continue
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            shutil.rmtree(folder, ignore_errors=True)
        except BlockingIOError:
            continue
        finally:
            os.close(handle)
