"""Find the files of a project that have changed: its Python files, its templates and its pyproject.toml."""

import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

MOST_FILES: Final = 5_000
_SHORTEST_PAUSE: Final = 0.2  # seconds between two looks
_PAUSE_FACTOR: Final = 20  # a look takes one part of the time, so that a large project costs 5 % of a core at most
_MOST_LOOKS: Final = 25  # while the files still change: a checkout or an editor writes many, one after the other
_LEFT_OUT: Final = frozenset({"node_modules", "site-packages", "__pycache__"})
_TEMPLATES: Final = "templates"

Signature = tuple[int, int, int]


class ChangedFiles:
    """Looks at the files of a project again and again. It reads their times and sizes, never their text.

    Args:
        root: the project's folder. Hidden folders, virtual environments and its `tests` are left out.
        now: a clock of seconds that never goes back.
    """

    def __init__(self, root: Path, *, now: Callable[[], float] = time.monotonic) -> None:
        self._root = root
        self._now = now
        self._looks = 0
        self._next_at = 0.0
        self._known = self._last = self._look()

    @property
    def is_complete(self) -> bool:
        """Say whether all files are looked at: beyond MOST_FILES the rest is not."""
        return len(self._last) < MOST_FILES

    def find(self) -> list[Path]:
        """Return what has changed since it was last told, once nothing changes any more; mostly nothing."""
        if self._now() < self._next_at:
            return []
        before, self._last = self._last, self._look()
        if self._last == self._known:
            self._looks = 0
            return []
        self._looks += 1
        if self._last != before and self._looks < _MOST_LOOKS:
            return []
        changed = [path for path, _ in self._last.items() ^ self._known.items()]
        self._known, self._looks = self._last, 0
        return sorted({Path(path).relative_to(self._root) for path in changed})

    def _look(self) -> dict[str, Signature]:
        began = self._now()
        found: dict[str, Signature] = {}
        for path, signature in _files(self._root, is_root=True):
            found[path] = signature
            if len(found) >= MOST_FILES:
                break
        took = self._now() - began
        self._next_at = self._now() + max(_SHORTEST_PAUSE, took * _PAUSE_FACTOR)
        return found


def _files(folder: Path | str, *, is_root: bool = False, templates: bool = False) -> Iterator[tuple[str, Signature]]:
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:  # removed meanwhile
        return
    if any(entry.name == "pyvenv.cfg" for entry in entries):
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if not (entry.name.startswith(".") or entry.name in _LEFT_OUT or (is_root and entry.name == "tests")):
                yield from _files(entry.path, templates=templates or entry.name == _TEMPLATES)
        elif entry.name.endswith(".py") or templates or (is_root and entry.name == "pyproject.toml"):
            try:
                status = entry.stat()
            except OSError:
                continue
            yield entry.path, (status.st_mtime_ns, status.st_size, status.st_ino)
