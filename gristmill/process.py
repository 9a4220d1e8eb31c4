"""Start programs that die with this process, and stop them within a deadline.

Every command imports this module, and psutil is not installed for all of them: it is imported where it is used.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import queue
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

from gristmill.shared.base import die_with_parent
from gristmill.shared.base.die_with_parent import NOBODY

if TYPE_CHECKING:
    import psutil

Identity = Literal["same", "namespace", "nobody"]
Process = subprocess.Popen[bytes]

_LAUNCHER = Path(die_with_parent.__file__)
_LOG_LIMIT_BYTES = 10 * 1024 * 1024  # a longer log is moved to <name>.1 at the next start, so that two files bound it
_POLL_SECONDS = 0.02
_INHERITED = ("PATH", "LD_LIBRARY_PATH", "TMPDIR", "TZ")  # what a program needs to be found and to run; nothing secret


class ServiceFailedError(RuntimeError):
    """A private server did not start, or ended by itself; the message gives the cure."""


def plain_environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return the environment of a server: the search paths, UTF-8 and `extra`, and none of our own settings."""
    kept = {name: os.environ[name] for name in _INHERITED if name in os.environ}
    return {"PATH": os.defpath, **kept, "LANG": "C.UTF-8", **(extra or {})}


def spawn(
    command: Sequence[str | Path],
    *,
    env: Mapping[str, str],
    log: Path | None = None,
    cwd: Path | None = None,
    identity: Identity = "same",
) -> Process:
    """Start a program in a session of its own that the kernel kills when this process dies, however it dies.

    Args:
        command: The program and its arguments; no shell is involved.
        env: Its whole environment.
        log: The file to which its output is appended (mode 0600). Without one, read the pipe `process.stdout`.
        cwd: Its working folder; ours by default.
        identity: The user it runs as: `same` as us, `namespace` (nobody, in a user namespace where nobody stands for
            us), or the real user `nobody`. The last two are for programs that refuse root.

    The program's own children are not covered: servers end theirs themselves, a process pool has to be made to.
    """
    launched = [sys.executable, "-I", "-S", str(_LAUNCHER), str(os.getpid()), identity, *map(str, command)]

    def start() -> Process:
        with contextlib.ExitStack() as stack:
            output = subprocess.PIPE if log is None else stack.enter_context(_opened(log)).fileno()
            return subprocess.Popen(
                launched,
                env=dict(env),
                cwd=cwd,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    return _on_a_lasting_thread(start)


def stop(process: Process, sig: signal.Signals = signal.SIGTERM, deadline_seconds: float = 10.0) -> int:
    """Stop a spawned program by a signal, and kill its process group after a deadline; return its exit code.

    Args:
        process: Returned by `spawn`; it may have ended already.
        sig: The signal to send first.
        deadline_seconds: Time before it is killed.
    """
    import psutil

    if process.returncode is None:
        # Suspended descendants in groups of their own would miss the end, so all are resumed. Their state is not
        # checked first: the kernel suspends a process some time after the signal.
        started = family(process.pid)[1:]
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, sig)
            os.kill(process.pid, signal.SIGCONT)  # a suspended process handles no signal
        for each in started:
            with contextlib.suppress(psutil.Error):
                each.resume()
        _wait_without_reaping(process, deadline_seconds)
        # Not reaped yet, so the group's number is still its own, and no other process is killed.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)
    code = process.wait()
    if process.stdout is not None:
        process.stdout.close()
    return code


def family(pid: int) -> list[psutil.Process]:
    """Return a process and its descendants, itself first; an empty list if it has ended."""
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        leader = psutil.Process(pid)
        return [leader, *leader.children(recursive=True)]
    return []


def wait_until_stopped(paused: Sequence[psutil.Process], deadline_seconds: float = 10.0) -> None:
    """Return once processes that were sent SIGSTOP are suspended, or have ended: the kernel takes a moment.

    Raises:
        ServiceFailedError: one of them still runs after the deadline.
    """
    ends_at = time.monotonic() + deadline_seconds
    while not all(map(_stands_still, paused)):
        if time.monotonic() > ends_at:
            pids = ", ".join(str(each.pid) for each in paused if not _stands_still(each))
            raise ServiceFailedError(f"Not paused within {deadline_seconds:g} s: process {pids}")
        time.sleep(_POLL_SECONDS / 10)


def _stands_still(each: psutil.Process) -> bool:
    import psutil

    with contextlib.suppress(psutil.NoSuchProcess):
        return each.status() in (psutil.STATUS_STOPPED, psutil.STATUS_ZOMBIE)
    return True


def wait_until_ready(
    name: str, process: Process, is_ready: Callable[[], bool], *, log: Path, deadline_seconds: float
) -> None:
    """Return once `is_ready()` is true.

    Raises:
        ServiceFailedError: it ended, or was not ready in time and is stopped; with the end of its log.
    """
    ends_at = time.monotonic() + deadline_seconds
    while not is_ready():
        if process.poll() is not None:
            raise ServiceFailedError(
                f"{name} ended while it started (exit code {process.returncode}). {_end_of_log(log)}"
            )
        if time.monotonic() > ends_at:
            stop(process, signal.SIGTERM, deadline_seconds=2)
            raise ServiceFailedError(f"{name} was not ready within {deadline_seconds:g} s. {_end_of_log(log)}")
        time.sleep(_POLL_SECONDS)


def tail(path: Path, lines: int = 15) -> str:
    """Return the last lines of a text file, or an empty text if it does not exist."""
    if not path.is_file():
        return ""
    with path.open("rb") as file:
        file.seek(max(0, path.stat().st_size - 200 * lines))
        return "\n".join(file.read().decode(errors="replace").splitlines()[-lines:])


@cache
def ordinary_identity() -> Identity:
    """Return the identity for a program that refuses root and users without a name (a container's `--user 1234`)."""
    is_root = os.geteuid() == 0
    if not is_root and _has_name(os.geteuid()):
        return "same"
    probe = spawn(["true"], env=plain_environment(), identity="namespace")
    if stop(probe, signal.SIGCONT, deadline_seconds=10) == 0:
        return "namespace"
    return "nobody" if is_root else "same"


def owner_of(identity: Identity) -> int | None:
    """Return the user id that must own the files of such a program; None if nothing has to be changed."""
    if identity == "nobody":
        return NOBODY
    return os.geteuid() if identity == "namespace" else None


def output_of(
    command: Sequence[str | Path], deadline_seconds: float = 10.0, *, env: Mapping[str, str] | None = None
) -> str:
    """Return the output of a short program; its environment is the plain one unless another is given.

    Raises:
        ServiceFailedError: it failed, or took too long.
    """
    try:
        done = subprocess.run(
            [*map(str, command)],
            env=env or plain_environment(),
            capture_output=True,
            timeout=deadline_seconds,
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise ServiceFailedError(f"{command[0]} could not be run: {error}") from error
    return done.stdout.decode(errors="replace").strip()


def _has_name(uid: int) -> bool:
    try:
        return bool(pwd.getpwuid(uid))
    except KeyError:
        return False


def _end_of_log(log: Path) -> str:
    return f"The end of its log ({log}):\n{tail(log)}"


def _opened(log: Path) -> BinaryIO:
    if log.exists() and log.stat().st_size > _LOG_LIMIT_BYTES:
        log.replace(log.with_name(f"{log.name}.1"))
    log.touch(mode=0o600)
    return log.open("ab")


def _wait_without_reaping(process: Process, deadline_seconds: float) -> None:
    ends_at = time.monotonic() + deadline_seconds
    with contextlib.suppress(ChildProcessError):  # a poll() elsewhere reaped it
        while os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is None:
            if time.monotonic() > ends_at:
                return
            time.sleep(_POLL_SECONDS / 2)


class _Starter:
    """A thread that lasts as long as the process, for children started from threads that do not.

    The kernel takes the end of the thread that made a child for the death of its parent.
    """

    def __init__(self) -> None:
        self._wanted: queue.SimpleQueue[tuple[Callable[[], Process], queue.SimpleQueue[Process | Exception]]]
        self._wanted = queue.SimpleQueue()
        threading.Thread(target=self._run, name="process-starter", daemon=True).start()

    def start(self, make: Callable[[], Process]) -> Process:
        answer: queue.SimpleQueue[Process | Exception] = queue.SimpleQueue()
        self._wanted.put((make, answer))
        made = answer.get(timeout=30)
        if isinstance(made, Exception):
            raise made
        return made

    def _run(self) -> None:
        while True:
            make, answer = self._wanted.get()
            try:
                answer.put(make())
            except Exception as error:  # noqa: BLE001  handed over to the thread that asked
                answer.put(error)


@cache
def _starter() -> _Starter:
    return _Starter()


def _on_a_lasting_thread(make: Callable[[], Process]) -> Process:
    if threading.current_thread() is threading.main_thread():
        return make()
    return _starter().start(make)
