"""List, count, show, post, cancel and run jobs, straight in the database: `gristmill jobs`."""

import json
from datetime import timedelta
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from gristmill.commands.bulk import act_on_each, actor
from gristmill.commands.jobs_cancel import cancel, summary_of, would
from gristmill.commands.options import as_jobs, job_options, read_args
from gristmill.commands.output import json_option, page_options, show_fields, show_page, show_rows
from gristmill.commands.settings import load_registry

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.jobs.models import Attempt, Job


@click.group()
def jobs() -> None:
    """List, count, show, post and cancel jobs; run waiting ones immediately.

    \b
    Examples:
      gristmill jobs list --state dead --task email.send
      gristmill jobs show 01993c1e-…
      gristmill jobs post demo.echo message=hello
      gristmill jobs post email.send --args '{"to": "me@example.com", "subject": "Hi", "text": "…"}' --delay 60
      gristmill jobs cancel 01993c1e-…
      gristmill jobs cancel --task email.send --state retrying --dry-run
      gristmill jobs count --where '{"field": "attempt", "gt": 2}'
      gristmill jobs retry 01993c1e-…               run it immediately, instead of when it is due
    """  # noqa: D301  click's mark for text that is not to be wrapped


@jobs.command(name="list")
@job_options
@page_options()
def list_(*, limit: int, as_json: bool, **filters: Any) -> None:
    """List jobs, newest first."""
    from gristmill.commands.database import transaction
    from gristmill.shared.operating.queries_job_lists import list_jobs

    with transaction() as session:
        show_page(
            lambda most: map(summary_of, list_jobs(session, as_jobs(filters), limit=most)),
            limit=limit,
            as_json=as_json,
            empty="No jobs",
        )


@jobs.command()
@job_options
def count(**filters: Any) -> None:
    """Count jobs, up to 10,000."""
    from gristmill.commands.database import transaction
    from gristmill.shared.operating.queries_job_lists import count_jobs

    with transaction() as session:
        click.echo(str(count_jobs(session, as_jobs(filters))))


@jobs.command()
@click.argument("job_id", type=click.UUID)
@json_option
def show(*, job_id: UUID, as_json: bool) -> None:
    """Show one job: its state, why it waits, its arguments, result and failed attempts."""
    from gristmill.commands.database import transaction
    from gristmill.shared.jobs.find import get_job, list_attempts, list_children
    from gristmill.shared.operating.why_waiting import explain_waiting

    with transaction() as session:
        job = get_job(session, job_id)
        reason = explain_waiting(session, job)
        fields = _fields(job, reason.message if reason is not None else None)
        fields["children"] = [str(child) for child in list_children(session, job_id)]
        attempts = [_attempt(each) for each in list_attempts(session, job_id)]
    if as_json:
        show_fields({**fields, "attempts": attempts}, as_json=True)
        return
    show_fields(fields, as_json=False)
    if attempts:
        click.echo("\nAttempts that did not succeed:")
        show_rows(attempts, as_json=False, empty="")


@jobs.command()
@click.argument("task")
@click.argument("pairs", nargs=-1, metavar="[NAME=VALUE]...")
@click.option("--args", "document", help="The arguments as a JSON object, instead of NAME=VALUE.")
@click.option("--delay", type=click.FloatRange(0, 365 * 86_400), help="Run it this many seconds from now.")
@click.option("--high", is_flag=True, help="Post it with high priority, through the priority queue.")
@click.option("--max-attempts", type=click.IntRange(1, 100), help="Attempts it may take.  [default: the task's own]")
@click.option("--tag", "tags", multiple=True, help="A tag of the job; repeat it for more.")
def post(
    *,
    task: str,
    pairs: tuple[str, ...],
    document: str | None,
    delay: float | None,
    high: bool,
    max_attempts: int | None,
    tags: tuple[str, ...],
) -> None:
    """Post a job of TASK and print its id. A VALUE that is JSON (3, true, [1]) is read as JSON, any other as text."""
    args = _arguments(pairs, document)
    from gristmill.commands.database import transaction
    from gristmill.shared.jobs.enqueue import JobOptions, enqueue

    load_registry()
    options = JobOptions(
        delay=timedelta(seconds=delay) if delay is not None else None,
        priority="high" if high else "normal",
        max_attempts=max_attempts,
        tags=tags,
    )
    with transaction() as session:
        job_id = enqueue(session, task, options, **args)
    click.echo(str(job_id))


@jobs.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True, type=click.UUID)
@click.option("--dry-run", is_flag=True, help="Print their states and change nothing.")
def retry(*, ids: tuple[UUID, ...], dry_run: bool) -> int:
    """Run jobs immediately that wait for their time or for their next attempt."""
    from gristmill.shared.operating.run_now import run_job_now

    def act(session: "Session", each: UUID) -> str:
        if dry_run:
            return would("run now", session, each)
        run_job_now(session, each, actor=actor())
        return f"{each} is due now"

    return act_on_each(ids, act)


jobs.add_command(cancel)


def _arguments(pairs: tuple[str, ...], document: str | None) -> dict[str, Any]:
    if document is not None and pairs:
        raise click.UsageError("give either --args or NAME=VALUE, not both")
    if document is not None:
        return read_args(document)
    args = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{pair!r} is not NAME=VALUE")
        try:
            args[name] = json.loads(value)
        except ValueError:
            args[name] = value
    return args


def _fields(job: "Job", waiting_for: str | None) -> dict[str, Any]:
    return {
        **summary_of(job),
        "waiting_for": waiting_for,
        "max_attempts": job.max_attempts,
        "args": _shown_args(job),
        "result": job.result,
        "priority": job.priority,
        "tags": list(job.tags),
        "expires_at": job.expires_at,
        "started_at": job.started_at,
        "worker": job.worker,
        "parent": job.parent_id,
        "trace": job.traceparent,
    }


def _shown_args(job: "Job") -> dict[str, Any]:
    from gristmill.shared.base.redaction import hide_sealed

    task = load_registry().find(job.task)
    # Any argument of a task that is not known here may be a secret.
    return hide_sealed(job.args, task.secret_args if task else frozenset(job.args))


def _attempt(attempt: "Attempt") -> dict[str, Any]:
    return {
        "attempt": attempt.attempt,
        "outcome": attempt.outcome,
        "error": attempt.error_code,
        "message": attempt.error_message,
        "ended_at": attempt.ended_at,
        "worker": attempt.worker,
    }
