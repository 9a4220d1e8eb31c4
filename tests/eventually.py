"""Wait for something to become true, within a deadline, and show what was seen last when it does not."""

import time
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")


def eventually(check: Callable[[], T], *, within: float = 60.0, every: float = 0.02) -> T:
    """Return the first truthy value of `check()`.

    Args:
        check: Called again and again; an exception counts as "not yet".
        within: Seconds until it has to be true. It is called at least once.
        every: Seconds between two calls.

    Raises:
        AssertionError: it was not true in time; the message shows the last value or exception.
    """
    ends_at = time.monotonic() + within
    while True:
        failure: Exception | AssertionError | None = None
        seen = "nothing"
        try:
            value = check()
            if value:
                return value
            seen = f"returned {value!r}"
        except Exception as error:  # noqa: BLE001 - whatever it is: not yet
            failure, seen = error, f"raised {error!r}"
        if time.monotonic() > ends_at:
            name = getattr(check, "__qualname__", repr(check))
            raise AssertionError(f"not true within {within:g} s: {name} last {seen}") from failure
        time.sleep(every)
