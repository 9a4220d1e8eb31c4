"""Gristmill: background jobs that end exactly once. These names are its public face, and stay.

`import gristmill` imports nothing else, since every import of the platform runs this module. A name is loaded when it
is used for the first time.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from gristmill.client import AsyncClient, Client
    from gristmill.shared.context import Context
    from gristmill.shared.enqueuing.enqueue import enqueue
    from gristmill.shared.errors import PermanentError, TransientError
    from gristmill.shared.jobs.options import JobOptions
    from gristmill.shared.outcomes import Cancel, Discard, Snooze
    from gristmill.shared.plugins.plugin import Plugin
    from gristmill.shared.queues import Queue
    from gristmill.shared.retry import RetryPolicy
    from gristmill.shared.schedules.declaration import Schedule
    from gristmill.shared.task import task

__version__ = "0.1.0"
__all__ = [
    "AsyncClient",
    "Cancel",
    "Client",
    "Context",
    "Discard",
    "JobOptions",
    "PermanentError",
    "Plugin",
    "Queue",
    "RetryPolicy",
    "Schedule",
    "Snooze",
    "TransientError",
    "enqueue",
    "task",
]
_MODULES: Final = {
    "AsyncClient": "client",
    "Cancel": "shared.outcomes",
    "Client": "client",
    "Context": "shared.context",
    "Discard": "shared.outcomes",
    "JobOptions": "shared.jobs.options",
    "PermanentError": "shared.errors",
    "Plugin": "shared.plugins.plugin",
    "Queue": "shared.queues",
    "RetryPolicy": "shared.retry",
    "Schedule": "shared.schedules.declaration",
    "Snooze": "shared.outcomes",
    "TransientError": "shared.errors",
    "enqueue": "shared.enqueuing.enqueue",
    "task": "shared.task",
}


def __getattr__(name: str) -> Any:
    """Load a public name from its module.

    Raises:
        AttributeError: the package has no such name.
    """
    if name not in _MODULES:
        msg = f"module 'gristmill' has no attribute {name!r}; its public names are {', '.join(__all__)}"
        raise AttributeError(msg)
    return getattr(import_module(f"gristmill.{_MODULES[name]}"), name)


def __dir__() -> list[str]:
    return [*__all__, "__version__"]
