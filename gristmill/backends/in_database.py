"""Work in the database of this server, with answers of the shape that the API gives."""

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from datetime import datetime
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit
from uuid import UUID

from gristmill.backends.operations import OPERATIONS
from gristmill.shared.errors import InvalidError

if TYPE_CHECKING:
    from gristmill.backends.database_operations.operator import Operator
    from gristmill.ingress.following.events import Event
    from gristmill.shared.settings import Settings

POLL_SECONDS: Final = 0.5  # between two looks at a job that is followed
# Importing the tasks takes a third of a second, which these operations do not need.
_WITHOUT_TASKS: Final = frozenset(
    {"search_jobs", "count_jobs", "search_dead_letters", "count_dead_letters", "group_dead_letters", "list_queues"}
)
_UUIDS: Final = frozenset({"job_id", "letter_id", "producer_id"})


class DatabaseBackend:
    """The database that the settings name; the settings are loaded when it is needed first.

    Args:
        load_settings: returns the settings of the command.
    """

    def __init__(self, load_settings: "Callable[[], Settings]") -> None:
        self._load_settings = load_settings
        self._stack = ExitStack()
        self._operator: Operator | None = None

    @property
    def title(self) -> str:
        """The name and host of the database."""
        url = urlsplit(self._open().database.settings.database_url.reveal())
        return f"the database {url.path.strip('/')} at {url.hostname or 'this machine'}"

    def ask(self, operation: str, body: Mapping[str, Any] | None = None, **names: str | UUID) -> Any:
        return self.ask_status(operation, body, **names)[1]

    def ask_status(self, operation: str, body: Mapping[str, Any] | None = None, **names: str | UUID) -> tuple[int, Any]:
        from marshmallow import ValidationError

        room = _room_of(operation)
        operator = None if room == "tasks" else self._open()  # the tasks are those of the code
        perform = _function_of(room, operation)
        try:
            answer = perform(operator, dict(body or {}), **_typed(names))
        except ValidationError as error:
            raise _invalid(error.messages) from error
        status, shown = answer if isinstance(answer, tuple) else (200, answer)
        return status, _plain(shown)

    def follow(self, job_id: UUID) -> Iterator[dict[str, Any] | None]:
        from gristmill.ingress.following.events import EventId

        last: EventId | None = None
        while True:
            has_ended, events = self._events_of(job_id)
            for event in events:
                if last is None or not last.includes(event.id):
                    last = event.id
                    yield {"id": str(event.id), "event": event.kind, "data": _plain(event.data)}
            if has_ended:
                return
            yield None
            time.sleep(POLL_SECONDS)

    def clock(self) -> datetime:
        from gristmill.shared.database.clock import read_clock

        with self._open().database.transaction() as session:
            return read_clock(session)

    def close(self) -> None:
        self._stack.close()
        self._operator = None

    def _open(self) -> "Operator":
        if self._operator is None:
            from gristmill.backends.database_operations.operator import operator_of
            from gristmill.shared.database.connect import opened

            database = self._stack.enter_context(opened(self._load_settings(), application_name="gristmill command"))
            self._operator = operator_of(database)
        return self._operator

    def _events_of(self, job_id: UUID) -> "tuple[bool, list[Event]]":
        from gristmill.ingress.following.events import list_events
        from gristmill.shared.jobs.find import get_job, list_attempts
        from gristmill.shared.states import FINAL

        with self._open().database.transaction() as session:
            job = get_job(session, job_id)
            events = list_events(job, list_attempts(session, job_id), payloads=True, tracebacks=True)
            return job.state in FINAL, events


def _room_of(operation: str) -> str:
    """Return the module of `database_operations` that holds an operation: the first word of its path."""
    return OPERATIONS[operation].path.split("/")[1].replace("-", "_")


def _function_of(room: str, operation: str) -> Callable[..., Any]:
    if operation not in _WITHOUT_TASKS:
        from gristmill.shared.plugins.load import load_plugins

        load_plugins()
    module = import_module(f"gristmill.backends.database_operations.{room}")
    function: Callable[..., Any] = getattr(module, operation)
    return function


def _typed(names: Mapping[str, str | UUID]) -> dict[str, str | UUID]:
    """Return the names of a path as the routes convert them."""
    return {name: UUID(str(value)) if name in _UUIDS else value for name, value in names.items()}


def _plain(answer: Any) -> Any:
    """Return an answer as a client of the API reads it: the same JSON, by the same library."""
    import orjson

    return orjson.loads(orjson.dumps(answer, option=orjson.OPT_UTC_Z))


def _invalid(messages: Any) -> InvalidError:
    from gristmill.shared.args import flatten

    details = {path or "body": texts for path, texts in flatten(messages, "").items()}
    return InvalidError("The request is not valid: details names each wrong field", details)
