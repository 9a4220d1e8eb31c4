"""Tables of jobs and of their attempts, and one job with everything known about it."""

from collections.abc import Mapping
from typing import Any, Final

from gristmill.commands.common.columns import age_column, error_column, time_column, title
from gristmill.output.fields import show_fields
from gristmill.output.paper import Paper
from gristmill.output.table import Column, plain, table
from gristmill.output.values import age, moment

_WAITS: Final = ("scheduled", "retrying", "queued")


def _due(row: Mapping[str, Any], paper: Paper) -> str:
    """Return the time until a job that waits is due; nothing for one that does not wait, or is due."""
    told = age(row["run_at"], paper.now) if row["state"] in _WAITS else ""
    return told if told.startswith("in ") else ""


JOBS: Final = (
    age_column(),
    plain("STATE", "state", coloured=True),
    Column(name="DUE", value=_due),
    Column(name="TRY", value=lambda row, _paper: f"{row['attempt']}/{row['max_attempts']}"),
    plain("ID", "id", is_id=True),
    plain("TASK", "task", least=6),
    plain("QUEUE", "queue", wide=True),
    plain("PRIORITY", "priority", wide=True),
    time_column("run_at", "RUN AT", wide=True),
    time_column("started_at", "STARTED", wide=True),
    time_column("finished_at", "FINISHED", wide=True),
    Column(name="TAGS", value=lambda row, _paper: ", ".join(row["tags"]), wide=True),
)
ATTEMPTS: Final = (
    plain("TRY", "attempt", is_id=True),
    plain("OUTCOME", "outcome", coloured=True),
    age_column("ended_at", "ENDED"),
    error_column("code", "ERROR", least=12),
    error_column("message", "MESSAGE", least=8),
    plain("WORKER", "worker", wide=True),
    time_column("started_at", "STARTED", wide=True),
)
_MORE: Final = ("queue", "priority", "expires_at", "unique_key", "callback_url", "trace_id", "waiting_evidence")


def draw_job(job: Mapping[str, Any], paper: Paper) -> list[str]:
    """Return the lines that show a job: its state, why it waits, its arguments, result and attempts."""
    lines = show_fields(_fields(job, paper), paper)
    if job["attempts"]:
        lines += ["", title("Attempts", paper), *table(job["attempts"], ATTEMPTS, paper)]
    if paper.wide:
        for attempt in job["attempts"]:
            traceback = (attempt["error"] or {}).get("traceback")
            if traceback:
                lines += ["", title(f"Traceback of attempt {attempt['attempt']}", paper), *traceback.splitlines()]
    return lines


def _fields(job: Mapping[str, Any], paper: Paper) -> dict[str, Any]:
    now = paper.now
    return {
        "id": job["id"],
        "task": job["task"],
        "queue": job["queue"],
        "state": job["state"],
        "waiting for": job["waiting_for"],
        "attempt": f"{job['attempt']} of {job['max_attempts']}",
        "args": job["args"],
        "result": job["result"],
        "created": moment(job["created_at"], now),
        "run at": moment(job["run_at"], now),
        "started": moment(job["started_at"], now),
        "finished": moment(job["finished_at"], now),
        "cancel requested": moment(job["cancel_requested_at"], now),
        "worker": job["worker"],
        "tags": ", ".join(job["tags"]),
        "parent": job["parent"],
        "children": ", ".join(job["children"]),
        **({name.replace("_", " "): job[name] for name in _MORE if name != "queue"} if paper.wide else {}),
    }
