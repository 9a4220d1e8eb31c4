"""Load plain arguments directly, in a fifth of the time that their schema takes, and tell wrong ones by their paths."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, ClassVar

from marshmallow import RAISE, Schema, ValidationError, fields, missing
from marshmallow.decorators import VALIDATES_SCHEMA

from gristmill.shared.base.plain_values import Check, check_of, is_container


class PlainArgs:
    """A short way to the values that a schema loads.

    It knows the plain fields of marshmallow with their validators. For everything else, wrong values too, it returns
    None, and the schema itself loads or refuses them.

    Args:
        schema: does not change any more.
        checked_together: the fields that the schema's `@validates_schema` methods are about. A value that has one of
            them is left to the schema; without one the methods have nothing to do. A schema with other hooks, or whose
            methods are not declared so, is never loaded directly.
    """

    def __init__(self, schema: Schema, *, checked_together: frozenset[str] = frozenset()) -> None:
        self._checks: dict[str, Check] = {}
        self._required: set[str] = set()
        self._defaults: dict[str, Any] = {}
        self._made_defaults: list[tuple[str, Callable[[], Any]]] = []
        self._copied: list[str] = []
        self._is_known = _is_simple(schema, has_own_checks=bool(checked_together))
        for name, field in schema.load_fields.items():
            self._is_known &= field.data_key is None and field.attribute is None
            self._add_default(name, field)
            if name not in checked_together:
                self._add_check(name, field)

    def _add_default(self, name: str, field: fields.Field[Any]) -> None:
        if field.required:
            self._required.add(name)
        elif callable(field.load_default):
            self._made_defaults.append((name, field.load_default))
        elif field.load_default is not missing:
            self._defaults[name] = field.load_default

    def _add_check(self, name: str, field: fields.Field[Any]) -> None:
        check = check_of(field)
        if check is not None:
            self._checks[name] = check
            if is_container(field):
                self._copied.append(name)

    def load(self, args: Mapping[str, Any]) -> dict[str, Any] | None:
        """Return what the schema would load from `args`; None when only it can say."""
        if not self._is_known or not self._required <= args.keys():
            return None
        checks = self._checks
        try:
            for name, value in args.items():
                if name not in checks or not checks[name](value):
                    return None
        except ValidationError:
            return None
        loaded = {**self._defaults, **args}
        for name, make in self._made_defaults:
            if name not in loaded:
                loaded[name] = make()
        for name in self._copied:
            if name in args:
                loaded[name] = args[name].copy()  # as the schema does: a handler may change what it was given
        return loaded


class PlainFirst(Schema):
    """A schema that loads plain values directly.

    Attributes:
        checked_together: as `PlainArgs` takes it.
    """

    checked_together: ClassVar[frozenset[str]] = frozenset()

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._plain = PlainArgs(self, checked_together=self.checked_together)

    def load(self, data: Any, **options: Any) -> Any:
        """Return what is loaded from `data`.

        Raises:
            ValidationError: names each wrong field.
        """
        # What a caller says beside the schema's own word may only repeat it: webargs says `unknown` at each request.
        as_it_is = all(value == getattr(self, name, None) for name, value in options.items())
        loaded = self._plain.load(data) if as_it_is and type(data) is dict else None
        return super().load(data, **options) if loaded is None else loaded


def flatten(messages: Any, path: str) -> dict[str, list[str]]:
    """Return marshmallow's nested messages as `{"args.address.city": ["…"]}`."""
    if isinstance(messages, Mapping):
        flat: dict[str, list[str]] = {}
        for name, inner in messages.items():
            inner_path = path if name == "_schema" else f"{path}.{name}".lstrip(".")
            for key, texts in flatten(inner, inner_path).items():
                flat.setdefault(key, []).extend(texts)
        return flat
    return {path: [str(text) for text in messages] if isinstance(messages, list) else [str(messages)]}


def _is_simple(schema: Schema, *, has_own_checks: bool) -> bool:
    """Say whether nothing but its fields decides what a schema loads, or these and `@validates_schema` methods."""
    kind = type(schema)
    ours = kind.load in (Schema.load, PlainFirst.load)
    ours &= (kind._do_load, kind._deserialize) == (Schema._do_load, Schema._deserialize)  # noqa: SLF001  not overridden
    hooks = {name for name, methods in schema._hooks.items() if methods}  # noqa: SLF001  there is no other way to ask
    allowed = {VALIDATES_SCHEMA} if has_own_checks else set()
    return ours and hooks <= allowed and schema.unknown == RAISE and not schema.partial and not schema.many
