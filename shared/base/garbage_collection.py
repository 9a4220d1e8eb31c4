"""How often Python looks for garbage in a busy process."""

from __future__ import annotations

import gc
from typing import Final

NEW_OBJECTS: Final = 7_000  # until it looks at the young ones; Python's default is 700


def look_seldom() -> None:
    """Leave what the process holds by now out of what the garbage collector looks at, and let it look a tenth as often.

    A flush of requests, or a bundle of jobs, keeps thousands of objects alive, so that it would run over all of the
    program again and again: a tenth of what a busy process does was lost to it. What is garbage is mostly freed without
    it. Processes that are forked later inherit both.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(NEW_OBJECTS, *gc.get_threshold()[1:])
