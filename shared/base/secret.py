"""Hold a secret text that no repr, log line or error shows."""

from __future__ import annotations

from typing import Final, final

SESSION_KEY: Final = "secret_key"  # where the info of a platform's session has the key that seals arguments


@final
class Secret:
    """A text that never shows itself: not in a repr, a log line or an error."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text itself; call it only where it is used."""
        return self._value

    def __eq__(self, other: object) -> bool:
        return self._value == other.reveal() if isinstance(other, Secret) else NotImplemented

    def __hash__(self) -> int:
        return hash(self._value)

    def __repr__(self) -> str:
        """Show that there is a value, and nothing of it."""
        return "Secret(***)"

    __str__ = __repr__
