"""Test tasks on a real database, without a broker, while time moves. The fixtures are in `gristmill.testing.plugin`.

Every pytest in an environment with Gristmill imports this package, also where no extra is installed: a name is loaded
when it is used for the first time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from gristmill.testing.mill import Mill
    from gristmill.testing.outcomes import Ended, EnqueuedJob, MillError

__all__ = ["Ended", "EnqueuedJob", "Mill", "MillError"]
_MODULES: Final = {"Ended": "outcomes", "EnqueuedJob": "outcomes", "Mill": "mill", "MillError": "outcomes"}


def __getattr__(name: str) -> Any:
    """Load a public name from its module.

    Raises:
        AttributeError: the package has no such name.
    """
    if name not in _MODULES:
        msg = f"module 'gristmill.testing' has no attribute {name!r}; its public names are {', '.join(__all__)}"
        raise AttributeError(msg)
    return getattr(import_module(f"gristmill.testing.{_MODULES[name]}"), name)
