"""Load the registry of tasks for a command."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gristmill.shared.task import Registry


def load_registry() -> "Registry":
    """Return the registry with every task in it; importing the tasks takes a third of a second."""
    from gristmill import tasks as _  # noqa: F401  registers every task
    from gristmill.shared.task import registry

    return registry
