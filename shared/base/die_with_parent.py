"""Die with the parent process, give up root where that is asked for, and become another program.

Run as a script by `gristmill.process.spawn`, in a Python of its own: standard library only, nothing of this project.
PDEATHSIG belongs to the thread that made the child. It is lost at every change of credentials and kept over an exec
that changes none. So it is set here, after the credentials and before the exec, rather than in the parent.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1  # prctl(2)
NOBODY = 65534


def die_with(parent: int) -> None:
    """Have the kernel kill this process when its parent dies; end at once if it has died already.

    Args:
        parent: The pid of the process that made this one.
    """
    _die_with(parent, ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None)


def apply_to_forks() -> None:
    """Have the kernel kill every process that this one forks from now on when this one dies.

    For children that a library forks for us, as the ingress's server does. Only on Linux.
    """
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)  # loaded here: a fork's child should do as little as possible
    maker = [os.getpid()]

    def remember() -> None:
        maker[0] = os.getpid()

    os.register_at_fork(before=remember, after_in_child=lambda: _die_with(maker[0], libc))


def enter_user_namespace() -> None:
    """Become `nobody` in a user namespace of our own, in which nobody stands for the user we were.

    Raises:
        OSError: user namespaces are denied here.
    """
    uid, gid = os.geteuid(), os.getegid()
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.unshare(CLONE_NEWUSER) != 0:
        raise OSError(ctypes.get_errno(), "unshare(CLONE_NEWUSER) was refused")
    for name, text in (
        ("setgroups", "deny"),
        ("uid_map", f"{NOBODY} {uid} 1"),
        ("gid_map", f"{NOBODY} {gid} 1"),
    ):
        Path("/proc/self", name).write_text(text, encoding="ascii")


def become_nobody() -> None:
    """Become the real user `nobody`, for good.

    Raises:
        OSError: we are not root.
    """
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)


def main() -> None:
    """Read `PARENT IDENTITY PROGRAM [ARGUMENT …]` from the command line and become that program."""
    parent, identity, *command = sys.argv[1:]
    try:
        if identity == "namespace":
            enter_user_namespace()
        elif identity == "nobody":
            become_nobody()
        die_with(int(parent))
        os.execvpe(command[0], command, os.environ)  # noqa: S606 - no shell is wanted
    except OSError as error:
        sys.stderr.write(f"cannot run {command[0]} (identity: {identity}): {error}\n")
        sys.exit(127)


def _die_with(parent: int, libc: "ctypes.CDLL | None") -> None:
    if libc is not None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:  # it died before the line above
        os.kill(os.getpid(), signal.SIGKILL)


if __name__ == "__main__":
    main()
