"""The statements of a spool."""

from __future__ import annotations

import json
import sqlite3
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Final

from gristmill.client.errors import ApiError, ClientError, SpoolError, SpoolFullError, UnsureError, error_of
from gristmill.client.jobs import Job
from gristmill.client.spool.file import SpoolFile
from gristmill.client.spool.options import SpoolOptions
from gristmill.client.spool.records import KEY_LIVES, Batch, Entry, Spooled

UNSURE: Final = (
    "It was sent once without an answer, and its idempotency key is no longer known: check whether the job exists, "
    "then post it again or forget it"
)
_FIELDS: Final = "idempotency_key, task, state, spooled_at, ended_at, body, answer"
_END: Final = (
    "UPDATE jobs SET state = ?, body = CASE WHEN ? = 'refused' THEN body END, answer = ?, ended_at = ? "
    "WHERE number = ? AND state = 'spooled'"
)


def add(file: SpoolFile, options: SpoolOptions, key: str, body: Mapping[str, Any], *, digest: str, tried: bool) -> Job:
    """Store a job, and return it; it is on disk then. A job that is there already under its key is returned.

    Args:
        digest: distinguishes the job from another one under the same key.
        tried: the job was sent without an answer, so the API may have accepted it.

    Raises:
        SpoolFullError: the spool is full.
        SpoolError: the key belongs to another job.
    """
    text = json.dumps(body, allow_nan=False)
    now = time.time()
    with file.transaction() as database:
        kept = _replace_refused(database, key, digest)
        if kept is not None:
            return kept
        _check_room(database, options, len(text))
        database.execute(
            "INSERT INTO jobs (idempotency_key, digest, task, body, bytes, spooled_at, tried_at) "
            "VALUES (?, ?, ?, ?, ?, ?, ?)",
            (key, digest, body["task"], text, len(text), now, now if tried else None),
        )
    return Job(id=None, task=body["task"], state="spooled", idempotency_key=key)


def _replace_refused(database: sqlite3.Connection, key: str, digest: str) -> Job | None:
    """Return the job under this key, unless there is none, or a refused one, which is deleted."""
    row = database.execute("SELECT state, digest, task, answer FROM jobs WHERE idempotency_key = ?", (key,)).fetchone()
    if row is None:
        return None
    state, known, task, answer = row
    if state == "refused":
        database.execute("DELETE FROM jobs WHERE idempotency_key = ? AND state = 'refused'", (key,))
        return None
    if known != digest:
        msg = (
            f"The idempotency key {key} belongs to another job in the spool: give each job its own; nothing was stored"
        )
        raise SpoolError(msg)
    if state == "flushed":
        return Job.read(json.loads(answer), idempotency_key=key)
    return Job(id=None, task=task, state="spooled", idempotency_key=key)


def _check_room(database: sqlite3.Connection, options: SpoolOptions, more: int) -> None:
    totals = {state: (jobs, size) for state, jobs, size in database.execute("SELECT state, jobs, bytes FROM totals")}
    (jobs, size), (refused, refused_size) = totals["spooled"], totals["refused"]
    if jobs + refused >= options.max_jobs:
        limit = f"{jobs + refused} jobs, as many as it may (max_jobs)"
    elif size + refused_size + more > options.max_bytes:
        limit = f"{size + refused_size} bytes, and may hold {options.max_bytes} (max_bytes)"
    else:
        return
    advice = f"; {refused} of its jobs were refused: correct or forget them" if refused else ""
    msg = f"The spool {options.folder} holds {limit}; nothing was stored{advice}"
    raise SpoolFullError(msg)


def take(file: SpoolFile, options: SpoolOptions, most: int) -> Batch:
    """Return up to `most` of the oldest jobs, and record that they are tried now.

    Only who holds the lock of the folder may call it. Jobs that were first tried too long ago are set aside.
    """
    now = time.time()
    with file.transaction() as database:
        _prune(database, options)
        unsure = database.execute(
            "SELECT number FROM jobs WHERE state = 'spooled' AND tried_at < ?", (now - KEY_LIVES,)
        ).fetchall()
        answer = json.dumps({"unsure": UNSURE})
        database.executemany(_END, [("refused", "refused", answer, now, number) for (number,) in unsure])
        rows = database.execute(
            "SELECT number, idempotency_key, body, tried_at FROM jobs WHERE state = 'spooled' ORDER BY number LIMIT ?",
            (most,),
        ).fetchall()
        database.executemany(
            "UPDATE jobs SET tried_at = coalesce(tried_at, ?) WHERE number = ?", [(now, row[0]) for row in rows]
        )
    entries = [Entry(number, key, json.loads(body), tried_at) for number, key, body, tried_at in rows]
    return Batch(entries, len(unsure))


def forget_try(file: SpoolFile, entries: Sequence[Entry]) -> None:
    """Record that this try of some jobs has not reached the API."""
    with file.transaction() as database:
        database.executemany(
            "UPDATE jobs SET tried_at = ? WHERE number = ? AND state = 'spooled'",
            [(entry.tried_at, entry.number) for entry in entries],
        )


def settle(
    file: SpoolFile,
    options: SpoolOptions,
    accepted: Sequence[tuple[Entry, Job]],
    refused: Sequence[tuple[Entry, ClientError]],
) -> None:
    """Record the outcomes of jobs, and delete the oldest outcomes beyond the limits."""
    now = time.time()
    with file.transaction() as database:
        database.executemany(
            _END, [("flushed", "flushed", json.dumps(dict(job.data)), now, entry.number) for entry, job in accepted]
        )
        database.executemany(
            _END, [("refused", "refused", json.dumps(_of_error(error)), now, entry.number) for entry, error in refused]
        )
        _prune(database, options)


def _prune(database: sqlite3.Connection, options: SpoolOptions) -> None:
    """Delete the oldest outcomes of accepted jobs beyond the limits."""
    database.execute(
        "DELETE FROM jobs WHERE state = 'flushed' AND ended_at < ?", (time.time() - options.retention.total_seconds(),)
    )
    database.execute(
        "DELETE FROM jobs WHERE number IN (SELECT number FROM jobs WHERE state = 'flushed' ORDER BY number "
        "LIMIT max(0, (SELECT jobs FROM totals WHERE state = 'flushed') - ?))",
        (options.max_outcomes,),
    )


def count(file: SpoolFile) -> int:
    """Return the number of jobs to be sent."""
    with file.connection() as database:
        (number,) = database.execute("SELECT jobs FROM totals WHERE state = 'spooled'").fetchone()
    return int(number)


def find(file: SpoolFile, key: str) -> Spooled | None:
    """Return the job with this idempotency key."""
    return next(_select(file, "WHERE idempotency_key = ?", key), None)


def list_refused(file: SpoolFile) -> list[Spooled]:
    """Return the jobs that were set aside, oldest first."""
    return list(_select(file, "WHERE state = ? ORDER BY number", "refused"))


def list_untold(file: SpoolFile, most: int) -> list[Spooled]:
    """Return the oldest outcomes of which `on_flushed` was not told."""
    return list(_select(file, "WHERE told = 0 AND state <> 'spooled' ORDER BY number LIMIT ?", most))


def mark_told(file: SpoolFile, keys: Sequence[str]) -> None:
    """Record that `on_flushed` was told of the outcomes of these jobs."""
    with file.transaction() as database:
        database.executemany(
            "UPDATE jobs SET told = 1 WHERE idempotency_key = ? AND state <> 'spooled'", [(key,) for key in keys]
        )


def forget(file: SpoolFile, key: str) -> bool:
    """Delete a job that was refused, and return False if there is none."""
    with file.transaction() as database:
        cursor = database.execute("DELETE FROM jobs WHERE idempotency_key = ? AND state = 'refused'", (key,))
    return cursor.rowcount == 1


def find_secret_args(file: SpoolFile, task: str) -> set[str]:
    """Return the names of a task's secret arguments, as the API told them."""
    with file.connection() as database:
        return {name for (name,) in database.execute("SELECT name FROM secret_args WHERE task = ?", (task,))}


def find_age_of_secret_args(file: SpoolFile) -> float | None:
    """Return the seconds since the API told the secret arguments; None if it never did."""
    with file.connection() as database:
        (at,) = database.execute("SELECT max(at) FROM learnt").fetchone()
    return None if at is None else time.time() - at


def replace_secret_args(file: SpoolFile, secret: Mapping[str, Sequence[str]]) -> None:
    """Store the names of the secret arguments, by task, instead of what was known."""
    with file.transaction() as database:
        database.execute("DELETE FROM secret_args")
        database.executemany(
            "INSERT INTO secret_args VALUES (?, ?)", {(task, name) for task, names in secret.items() for name in names}
        )
        database.execute("DELETE FROM learnt")
        database.execute("INSERT INTO learnt VALUES (?)", (time.time(),))


def _select(file: SpoolFile, condition: str, value: object) -> Iterator[Spooled]:
    with file.connection() as database:
        rows = database.execute(f"SELECT {_FIELDS} FROM jobs {condition}", (value,)).fetchall()
    return map(_read, rows)


def _read(row: tuple[Any, ...]) -> Spooled:
    key, task, state, spooled_at, ended_at, body, answer = row
    return Spooled(
        key=key,
        task=task,
        state=state,
        spooled_at=datetime.fromtimestamp(spooled_at, UTC),
        ended_at=None if ended_at is None else datetime.fromtimestamp(ended_at, UTC),
        job=Job.read(json.loads(answer), idempotency_key=key) if state == "flushed" else None,
        error=_to_error(json.loads(answer)) if state == "refused" else None,
        body=None if body is None else json.loads(body),
    )


def _of_error(error: ClientError) -> dict[str, Any]:
    if not isinstance(error, ApiError):
        return {"unsure": str(error)}
    told = {"code": error.code, "message": error.message, "details": error.details, "request_id": error.request_id}
    return {"status": error.status, "error": told}


def _to_error(answer: dict[str, Any]) -> ClientError:
    return UnsureError(answer["unsure"]) if "unsure" in answer else error_of(answer["status"], answer)
