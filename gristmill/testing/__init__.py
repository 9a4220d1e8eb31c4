"""Test tasks on a real Postgres: the fixture `mill` of a pytest plugin. These names are its public face.

pytest imports this module in every environment in which Gristmill is installed, so it imports nothing else.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from gristmill.testing.drain import EndlessError
    from gristmill.testing.mill import Mill
    from gristmill.testing.mill_error import MillError
    from gristmill.testing.records import Attempt, DeadLetter, Job

__all__ = ["Attempt", "DeadLetter", "EndlessError", "Job", "Mill", "MillError"]
_MODULES: Final = {
    "Attempt": "records",
    "DeadLetter": "records",
    "EndlessError": "drain",
    "Job": "records",
    "Mill": "mill",
    "MillError": "mill_error",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module.

    Raises:
        AttributeError: the package has no such name.
    """
    if name not in _MODULES:
        msg = f"module 'gristmill.testing' has no attribute {name!r}; its public names are {', '.join(__all__)}"
        raise AttributeError(msg)
    return getattr(import_module(f"gristmill.testing.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return list(__all__)
