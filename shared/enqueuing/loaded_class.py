"""Find a class of a library without importing it: an object can only be its instance once somebody else has."""

from __future__ import annotations

import sys
from typing import Any


def is_instance(candidate: object, module: str, *names: str) -> bool:
    """Return whether `candidate` is an instance of one of the classes of `module`, False if that is not loaded."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(candidate, tuple(_class(loaded, name) for name in names))


def _class(module: Any, name: str) -> type:
    found: type = getattr(module, name)
    return found
