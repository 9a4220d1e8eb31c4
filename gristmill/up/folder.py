"""Data folder of `gristmill up`: private, locked by the one `up` that runs, with its ports, secrets and logs."""

import fcntl
import json
import os
import pwd
import shlex
from collections.abc import Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from contextlib import contextmanager
from pathlib import Path
from typing import Final, TextIO

from gristmill import ports, process
from gristmill.process import ServiceFailedError
from gristmill.services.secret import kept_secret, private_folder, write_private

DEFAULT: Final = Path(".gristmill")
_PASSABLE: Final = 0o711  # others may pass through to a folder of theirs, and list nothing


class AlreadyRunningError(ServiceFailedError):
    """Another `up` runs in this folder."""


class Folder:
    """The data folder.

    Args:
        path: Its path; it is created, with mode 0700, if it does not exist.

    Raises:
        ServiceFailedError: it belongs to another user, or cannot be created or written.
    """

    def __init__(self, path: Path) -> None:
        self.path = path.absolute()
        self._lock = self.path / "lock"
        try:
            self._create()
        except OSError as error:
            raise ServiceFailedError(
                f"{error.filename or self.path} cannot be used ({error.strerror}): run as the user it belongs to, "
                "or choose another folder with --data"
            ) from error

    def _create(self) -> None:
        # Checked before anything is changed: a folder half of which is root's would work for no user.
        if self.path.exists():
            self._refuse_foreign()
        private_folder(self.path)
        if process.ordinary_identity() == "nobody":
            self.path.chmod(_PASSABLE)
        private_folder(self.logs)
        self._lock.touch(mode=0o600)

    @property
    def logs(self) -> Path:
        """Folder for the output of our processes, a file each."""
        return self.path / "logs"

    @property
    def shell_file(self) -> Path:
        """File with GRISTMILL_URL and GRISTMILL_API_KEY, to be read by a shell: `. .gristmill/env`."""
        return self.path / "env"

    @property
    def settings_file(self) -> Path:
        """File with all settings of the running platform, for commands that are called beside it."""
        return self.path / "settings"

    @contextmanager
    def locked(self, url: str) -> Iterator[None]:
        """Hold the folder, and record the pid and the URL of its holder for others.

        Raises:
            AlreadyRunningError: another `up` holds it; names it.
        """
        with self._lock.open("r+", encoding="utf-8") as lock:  # closing it also unlocks it
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise AlreadyRunningError(self._who_holds_it()) from None
            _note(lock, {"pid": os.getpid(), "url": url})
            try:
                yield
            finally:
                _note(lock, {})  # and the file stays: removing it would let two in

    def ports(self, names: Sequence[str], *, avoid: AbstractSet[int] = frozenset()) -> dict[str, int]:
        """Return a free port for each name: the one of the last run where it is still free, and none of `avoid`."""
        file = self.path / "ports"
        kept = _numbers(file)
        chosen: dict[str, int] = {}
        for name in names:
            taken = {*avoid, *chosen.values()}
            port = kept.get(name, 0)
            usable = port and port not in taken and ports.is_free(port)
            chosen[name] = port if usable else _free_port(taken)
        write_private(file, "".join(f"{name}={port}\n" for name, port in {**kept, **chosen}.items()))
        return chosen

    def secret(self, name: str) -> str:
        """Return a secret of this folder (256 random bits), created at first use."""
        return kept_secret(self.path / name)

    def write_shell_file(self, values: Mapping[str, str]) -> None:
        """Write the variables that a shell needs to call the API."""
        write_private(self.shell_file, _as_exports(values))

    def write_settings(self, values: Mapping[str, str]) -> None:
        """Write all settings of the platform."""
        write_private(self.settings_file, _as_exports(values))

    def _refuse_foreign(self) -> None:
        for path in (self.path, self.logs, self._lock):
            if path.exists() and (owner := path.stat().st_uid) != os.geteuid():
                raise ServiceFailedError(
                    f"{path} belongs to {_user(owner)}, and you are {_user(os.geteuid())}: run as {_user(owner)}, "
                    f"remove {self.path} to start with an empty one, or choose another folder with --data"
                )

    def _who_holds_it(self) -> str:
        try:
            holder = json.loads(self._lock.read_text(encoding="utf-8") or "{}")
        except ValueError:
            holder = {}
        who = f"pid {holder['pid']}, {holder['url']}" if "pid" in holder else "it is starting or stopping"
        return (
            f"`gristmill up` runs in {self.path} already ({who}): use that one, stop it with Ctrl-C where it runs, or "
            "give this one a folder and ports of its own (--data, --port, GRISTMILL_FLOWER_PORT, GRISTMILL_MAIL_PORT)"
        )


def read_exports(file: Path) -> dict[str, str]:
    """Return the variables of a file that this module wrote; none if it is missing or may not be read."""
    try:
        words = shlex.split(file.read_text(encoding="utf-8"), comments=True)
    except (OSError, ValueError):
        return {}
    pairs = (word.partition("=") for word in words if "=" in word)
    return {name: value for name, _, value in pairs}


def _free_port(taken: AbstractSet[int]) -> int:
    while (port := ports.free_port()) in taken:  # no port is given twice, so that this ends
        pass
    return port


def _note(lock: TextIO, holder: Mapping[str, object]) -> None:
    lock.seek(0)
    lock.truncate()
    lock.write(json.dumps(holder))
    lock.flush()


def _as_exports(values: Mapping[str, str]) -> str:
    return "".join(f"export {name}={shlex.quote(value)}\n" for name, value in values.items())


def _numbers(file: Path) -> dict[str, int]:
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except OSError:
        return {}
    pairs = (line.partition("=") for line in lines)
    return {name: int(number) for name, _, number in pairs if number.isdecimal()}


def _user(uid: int) -> str:
    try:
        return pwd.getpwuid(uid).pw_name
    except KeyError:
        return f"user {uid}"
