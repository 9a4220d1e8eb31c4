"""Turn an error of the database into the error that Python code knows: by its SQLSTATE, whichever driver raised it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from gristmill.shared.errors import (
    EnqueueError,
    GristmillError,
    InternalTaskError,
    InvalidArgsError,
    InvalidError,
    UnavailableError,
    UnknownTaskError,
)

_UPGRADE: Final = "run `gristmill db upgrade` with the GRISTMILL_DATABASE_URL of this database"
# The SQLSTATEs that gristmill.enqueue raises itself; docs/enqueue-from-your-application.md lists them.
_OURS: Final[Mapping[str, type[GristmillError]]] = {
    "GM001": UnknownTaskError,
    "GM002": InternalTaskError,
    "GM003": InvalidArgsError,
    "GM004": InvalidArgsError,
    "GM005": InvalidArgsError,
    "GM006": InvalidError,
    "GM007": InvalidError,
}
_BUSY: Final = frozenset({"GM008", "55P03"})  # 55P03: another transaction has held the unique key for too long
_CURES: Final[Mapping[str, str]] = {
    "3F000": f"This database has no schema gristmill: {_UPGRADE}",
    "42883": f"The schema gristmill of this database is of an older version of Gristmill: {_UPGRADE}",
    "42P01": f"The schema gristmill of this database is of an older version of Gristmill: {_UPGRADE}",
    "42501": "The role of this connection may not enqueue. As the owner of the schema, execute "
    "GRANT USAGE ON SCHEMA gristmill TO <role>; GRANT EXECUTE ON FUNCTION gristmill.enqueue TO <role>;",
}


@dataclass(frozen=True, slots=True)
class _Report:
    """The fields of an error as Postgres reports it."""

    sqlstate: str
    message: str
    detail: str
    hint: str


def explain(error: BaseException, task: str) -> GristmillError | None:
    """Return the error of ours that `error` stands for, None if it has nothing to do with enqueuing."""
    report = _report_of(error)
    if report is None:
        return None
    if report.sqlstate in _OURS:
        return _OURS[report.sqlstate](f"{report.message}. {report.hint}".strip(), _details(report.detail))
    if report.sqlstate in _BUSY:
        msg = f"Another transaction enqueues {task} with the same unique key right now: repeat this transaction"
        return UnavailableError(msg)
    cure = _CURES.get(report.sqlstate)
    return None if cure is None else EnqueueError(f"{cure} ({report.message})")


def _details(detail: str) -> dict[str, list[str]]:
    """Return the lines `path: problem` of a DETAIL by their path."""
    details: dict[str, list[str]] = {}
    for line in detail.splitlines():
        path, _, problem = line.partition(": ")
        details.setdefault(path, []).append(problem)
    return details


def _report_of(error: BaseException | None) -> _Report | None:
    """Return the report in an error, in the one that SQLAlchemy has wrapped, or in the one that it was raised from."""
    while error is not None:
        found = _of_psycopg(error) or _of_asyncpg(error)
        if found is not None:
            return found
        error = getattr(error, "orig", None) or error.__cause__
    return None


def _of_psycopg(error: Any) -> _Report | None:
    diagnostics: Any = getattr(error, "diag", None)
    sqlstate = getattr(diagnostics, "sqlstate", None)
    if sqlstate is None:
        return None
    texts = (diagnostics.message_primary, diagnostics.message_detail, diagnostics.message_hint)
    return _Report(sqlstate, *(text or "" for text in texts))


def _of_asyncpg(error: Any) -> _Report | None:
    if not hasattr(error, "hint") or not isinstance(getattr(error, "sqlstate", None), str):
        return None
    return _Report(error.sqlstate, str(error), error.detail or "", error.hint or "")
