"""Explain why Postgres refused a migration: what was in the way, what was applied, and what to do."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from sqlalchemy.exc import DBAPIError

from gristmill.shared.errors import MigrationError

MAY_NOT: Final = "42501"  # insufficient_privilege
LOCKED: Final = "55P03"  # lock_not_available, by lock_timeout
_IS_THERE: Final = "42P07"  # duplicate_table
_DEPENDED_ON: Final = "2BP01"  # dependent_objects_still_exist
_CANCELLED: Final = "57014"  # query_canceled, by statement_timeout
_ADVICE: Final = {
    MAY_NOT: "The role lacks a right: let the role that owns the tables migrate, or grant it",
    LOCKED: "Another transaction holds the lock of a table. Stop the processes of the old version, and whatever else "
    "uses the table for long, then run `gristmill db upgrade` again",
    _DEPENDED_ON: "Drop what refers to it first; \\d in psql shows the constraints that do",
    _IS_THERE: "If that table is another program's, rename one of the two; if it is what the migration makes, run "
    "`gristmill db stamp NAME` with the name of the plugin",
}


def sqlstate(error: DBAPIError) -> str | None:
    """Return the code by which Postgres names the error."""
    code: str | None = getattr(error.orig, "pgcode", None)
    return code


@contextmanager
def explained(action: str) -> Iterator[None]:
    """Turn a refusal of Postgres that has a remedy into an error that says so.

    Args:
        action: what was tried, as the beginning of a sentence: `The migration of mail`.

    Raises:
        MigrationError: names the action, what Postgres says, and what to do.
        DBAPIError: of any other kind, as it is.
    """
    try:
        yield
    except DBAPIError as error:
        advice = _ADVICE.get(sqlstate(error) or "")
        if advice is None:
            error.add_note(f"{action} failed and was rolled back")
            raise
        said = str(error.orig).splitlines()[0]
        msg = f"{action} failed and was rolled back: {said}. {advice}"
        raise MigrationError(msg) from error


@contextmanager
def explained_wait() -> Iterator[None]:
    """Say who is waited for when the lock of migrations is not free in time.

    Raises:
        MigrationError: another process migrates.
    """
    try:
        yield
    except DBAPIError as error:
        if sqlstate(error) not in (_CANCELLED, LOCKED):
            raise
        msg = (
            "Another process has been migrating this database for a minute: wait until it ends, or end its session "
            "(pg_locks shows it, locktype advisory), then run `gristmill db upgrade` again. Nothing was applied"
        )
        raise MigrationError(msg) from error
