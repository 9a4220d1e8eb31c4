"""Write a log file of bounded size."""

from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, Final

LIMIT_BYTES: Final = 10 * 1024 * 1024  # then it is moved to <name>.1, so that two files of this size bound it


class LogFile:
    """A file (mode 0600) to which lines are appended. A full disk loses lines, and stops no process.

    Args:
        path: Its path.
        limit_bytes: The size above which it is moved to <name>.1.
    """

    def __init__(self, path: Path, limit_bytes: int = LIMIT_BYTES) -> None:
        self._path = path
        self._limit_bytes = limit_bytes
        self._file: BinaryIO | None = None

    def write(self, line: bytes) -> None:
        """Append a line."""
        with suppress(OSError):
            file = self._file or self._open()
            file.write(line)
            if file.tell() > self._limit_bytes:
                self.close()

    def close(self) -> None:
        """Close it; the next line opens it again."""
        with suppress(OSError):
            if self._file is not None:
                self._file.close()
        self._file = None

    def _open(self) -> BinaryIO:
        if self._path.exists() and self._path.stat().st_size > self._limit_bytes:
            self._path.replace(self._path.with_name(f"{self._path.name}.1"))
        self._path.touch(mode=0o600)
        self._file = self._path.open("ab", buffering=0)
        return self._file
