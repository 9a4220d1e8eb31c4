"""Tie this process's life to its parent's, give up root where that is asked for, and become another program.

Run as a script by `gristmill.process.spawn`, in a Python of its own: standard library only, nothing of this project.
PDEATHSIG belongs to the thread that made the child, is lost at every change of credentials and is kept over an exec
that changes none. So it is set here, after the credentials and before the exec, rather than in the parent.
"""

import ctypes
import os
import signal
import sys
from pathlib import Path

CLONE_NEWUSER = 0x10000000
PR_SET_PDEATHSIG = 1
NOBODY = 65534


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


def die_with(parent: int) -> None:
    """Have the kernel kill us when our parent dies, and end at once when it has died already."""
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), signal.SIGKILL)


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


if __name__ == "__main__":
    main()
