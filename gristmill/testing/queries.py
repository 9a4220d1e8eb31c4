"""Statements of the test kit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sqlalchemy import text

from gristmill.shared.database.rows import rows_as
from gristmill.shared.states import LIVE, sql_list
from gristmill.testing.outcomes import Ended, EnqueuedJob
from gristmill.testing.time_columns import TIME_COLUMNS

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

_LIVE_JOBS: Final = text(
    f"""
    SELECT id, task, queue, state, args, run_at, tags, unique_key FROM gristmill.jobs
    WHERE state IN ({sql_list(LIVE)}) AND (CAST(:task AS text) IS NULL OR task = :task)
      AND args @> CAST(:args AS jsonb)
    ORDER BY run_at, id
    """
)
_OUTCOMES: Final = text(
    """
    SELECT id, task, state, attempt, result,
           (SELECT error_message FROM gristmill.attempts WHERE attempts.job_id = jobs.id
            ORDER BY attempts.attempt DESC LIMIT 1) AS error
    FROM gristmill.jobs WHERE id = ANY(:ids)
    """
)
_TABLES: Final = text(
    "SELECT relname FROM pg_class WHERE relnamespace = to_regnamespace('gristmill') AND relkind = 'r'"
)


def list_live(session: Session, *, task: str | None, args: str) -> list[EnqueuedJob]:
    """Return the jobs that have not ended, those due first.

    Args:
        session: the caller's.
        task: only jobs of this task.
        args: only jobs whose arguments contain these, as JSON.
    """
    return rows_as(EnqueuedJob, session.execute(_LIVE_JOBS, {"task": task, "args": args}))


def list_outcomes(session: Session, ids: Sequence[UUID]) -> list[Ended]:
    """Return the states of jobs, in the order of `ids`."""
    found = {each.id: each for each in rows_as(Ended, session.execute(_OUTCOMES, {"ids": list(ids)}))}
    return [found[job_id] for job_id in ids]


def make_older(session: Session, by: timedelta, *, also: Sequence[str] = ()) -> None:
    """Make everything that lives older.

    Args:
        session: the caller's.
        by: how much.
        also: columns of other tables, such as `public.orders.created_at`.
    """
    there = set(session.execute(_TABLES).scalars())
    for table, columns in TIME_COLUMNS.items():
        if table in there:
            _shift(session, f"gristmill.{table}", columns, by)
    for each in also:
        table, _, column = each.rpartition(".")
        _shift(session, table, (column,), by)


def _shift(session: Session, table: str, columns: Sequence[str], by: timedelta) -> None:
    changes = ", ".join(f"{column} = {column} - CAST(:by AS interval)" for column in columns)
    session.execute(text(f"UPDATE {table} SET {changes}"), {"by": by})
