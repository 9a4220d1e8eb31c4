"""Find producers by their names, and the producers of keys: the API takes their ids."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from gristmill.commands.common.choices import did_you_mean

if TYPE_CHECKING:
    from gristmill.backends.operations import Backend

_PAGE = 100


def each_producer(backend: "Backend") -> Iterator[Any]:
    """Yield all producers by name, reading as many pages as are asked for."""
    cursor: str | None = None
    while True:
        page = backend.ask("list_producers", {"limit": _PAGE, **({"cursor": cursor} if cursor else {})})
        yield from page["items"]
        cursor = page["next_cursor"]
        if cursor is None:
            return


def find_producer(backend: "Backend", name: str) -> Any | None:
    """Return the producer with this name, or None."""
    return next((each for each in each_producer(backend) if each["name"] == name), None)


def get_producer(backend: "Backend", name: str) -> Any:
    """Return the producer with this name.

    Raises:
        NotFoundError: there is none; says which was probably meant.
    """
    from gristmill.shared.errors import NotFoundError

    producers = {each["name"]: each for each in each_producer(backend)}
    if name in producers:
        return producers[name]
    cure = f"`gristmill keys create {name}` creates it"
    raise NotFoundError(f"No producer is called {name!r}: {cure}.{did_you_mean(name, producers)}")


def keys_of(backend: "Backend", name: str | None) -> list[Any]:
    """Return the keys of a producer, or of all, newest first, each with the name and the scopes of its producer."""
    producers = each_producer(backend) if name is None else [get_producer(backend, name)]
    found = [
        {**key, "producer": each["name"], "scopes": each["scopes"], "allowed_tasks": each["allowed_tasks"]}
        for each in producers
        for key in backend.ask("list_keys", producer_id=each["id"])["items"]
    ]
    return sorted(found, key=lambda key: key["created_at"], reverse=True)


def producer_of_key(backend: "Backend", key_id: str) -> Any:
    """Return the producer that has a key.

    Raises:
        NotFoundError: none has.
    """
    from gristmill.shared.errors import NotFoundError

    for each in each_producer(backend):
        keys = backend.ask("list_keys", producer_id=each["id"])["items"]
        if any(key["id"] == key_id for key in keys):
            return each
    raise NotFoundError(f"No key {key_id!r}: `gristmill keys list` shows them")
