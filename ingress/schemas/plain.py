"""Load plain fields directly: most requests hold nothing else, and the way of a schema is ten times longer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from marshmallow import Schema

Look = Callable[[Any], bool]


class PlainFirst(Schema):
    """A schema with a short way to the same result.

    Attributes:
        looks: by field, what says of a value that loading it gives just this value. It may miss good values, never take
            a wrong one: what it does not know, the fields themselves load or refuse.
        needed: the fields that must be there.
    """

    looks: ClassVar[Mapping[str, Look]] = {}
    needed: ClassVar[frozenset[str]] = frozenset()

    def load(self, data: Any, **options: Any) -> Any:
        """Return what is loaded from `data`.

        Raises:
            ValidationError: names each wrong field.
        """
        if type(data) is dict and self.needed <= data.keys() and all(map(self._is_plain, data.items())):
            return {**self.defaults(), **data}
        return super().load(data, **options)

    def defaults(self) -> dict[str, Any]:
        """Return the fields that are there even when they were not sent."""
        raise NotImplementedError

    def _is_plain(self, item: tuple[str, Any]) -> bool:
        look = self.looks.get(item[0])
        return look is not None and look(item[1])


def is_text(longest: int) -> Look:
    """Return a look for what `gristmill.ingress.schemas.fields.short_text` takes."""
    return lambda value: isinstance(value, str) and 0 < len(value) <= longest and "\0" not in value
