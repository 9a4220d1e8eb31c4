"""Children that a library forks for us (the ingress's server does): they do not outlive the process that made them."""

import ctypes
import os
import signal
import sys
from typing import Final

PR_SET_PDEATHSIG: Final = 1  # prctl(2)


def tie_forks() -> None:
    """Have the kernel kill every process that this one forks from now on, when this one dies, however it dies."""
    if sys.platform != "linux":
        return
    libc = ctypes.CDLL(None, use_errno=True)  # loaded here: a fork's child should do as little as possible
    maker = [os.getpid()]

    def remember() -> None:
        maker[0] = os.getpid()

    def die_with_maker() -> None:
        libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        if os.getppid() != maker[0]:  # it died between the fork and the line above
            os.kill(os.getpid(), signal.SIGKILL)

    os.register_at_fork(before=remember, after_in_child=die_with_maker)
