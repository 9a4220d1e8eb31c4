"""The call of the SQL function `gristmill.enqueue`, in the syntax of SQLAlchemy and in that of the drivers.

Each value is text that Postgres casts, so that all drivers send it alike. An option that is not given is left out, so
that the default of the function holds.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Final

import orjson

if TYPE_CHECKING:
    from sqlalchemy import TextClause

    from gristmill.shared.jobs.options import JobOptions

# Through text, because a driver that asks Postgres for the type of each value (asyncpg) would want a number here.
_CASTS: Final[Mapping[str, str]] = {
    "task": "CAST({} AS text)",
    "args": "CAST(CAST({} AS text) AS jsonb)",
    "run_at": "CAST(CAST({} AS text) AS timestamptz)",
    "delay": "make_interval(secs => CAST(CAST({} AS text) AS double precision))",
    "unique_key": "CAST({} AS text)",
    "tags": "ARRAY(SELECT jsonb_array_elements_text(CAST(CAST({} AS text) AS jsonb)))",
    "priority": "CAST({} AS text)",
    "max_attempts": "CAST(CAST({} AS text) AS integer)",
    "expires_at": "CAST(CAST({} AS text) AS timestamptz)",
    "parent_id": "CAST(CAST({} AS text) AS uuid)",
    "traceparent": "CAST({} AS text)",
    "callback_url": "CAST({} AS text)",
}


# What somebody writes whose library is not known here.
BY_HAND: Final = "SELECT gristmill.enqueue(%s, %s)"


@cache
def _statement(names: tuple[str, ...], placeholder: str) -> str:
    given = ", ".join(f"{name} => {_CASTS[name].format(placeholder.format(name))}" for name in names)
    return f"SELECT gristmill.enqueue({given})"


@cache
def _text_clause(names: tuple[str, ...]) -> TextClause:
    from sqlalchemy import text  # loaded already: whoever calls this has a connection of it

    return text(_statement(names, ":{}"))


@dataclass(frozen=True, slots=True)
class Call:
    """A call of the function: the text of each argument by its name."""

    values: Mapping[str, str]

    @classmethod
    def make(cls, task: str, args: Mapping[str, Any], options: JobOptions) -> Call:
        """Return the call that enqueues a job of `task`."""
        values = {
            "task": task,
            "args": orjson.dumps(args).decode(),
            "run_at": options.run_at.isoformat() if options.run_at is not None else None,
            "delay": repr(options.delay.total_seconds()) if options.delay is not None else None,
            "unique_key": options.unique_key,
            "tags": orjson.dumps(options.tags).decode() if options.tags else None,
            "priority": options.priority if options.priority != "normal" else None,
            "max_attempts": str(options.max_attempts) if options.max_attempts is not None else None,
            "expires_at": options.expires_at.isoformat() if options.expires_at is not None else None,
            "parent_id": str(options.parent_id) if options.parent_id is not None else None,
            "traceparent": options.traceparent,
            "callback_url": options.callback_url,
        }
        return cls({name: value for name, value in values.items() if value is not None})

    @property
    def driver_statement(self) -> str:
        """The statement with `%(name)s` for each value, as psycopg2, psycopg and Django take it."""
        return _statement(tuple(self.values), "%({})s")

    @property
    def text_clause(self) -> TextClause:
        """The statement with `:name` for each value, as SQLAlchemy takes it."""
        return _text_clause(tuple(self.values))
