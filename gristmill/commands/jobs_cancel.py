"""Cancel jobs by their ids, or all that a filter selects: `gristmill jobs cancel`."""

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import click

from gristmill.commands.bulk import act_on_each, actor
from gristmill.commands.database import open_database
from gristmill.commands.options import as_jobs, given, job_options
from gristmill.commands.output import show_rows, text_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.database.connect import Database
    from gristmill.shared.filters.specification import Specification
    from gristmill.shared.jobs.models import Job
    from gristmill.shared.operating.cancel_many import CancelProgress

_SHOWN: Final = 10  # jobs of a dry run


@click.command()
@click.argument("ids", metavar="[ID]...", nargs=-1, type=click.UUID)
@job_options
@click.option("--all", "everything", is_flag=True, help="Cancel every job that has not ended.")
@click.option("--dry-run", is_flag=True, help="Print which they are and change nothing.")
def cancel(*, ids: tuple[UUID, ...], everything: bool, dry_run: bool, **filters: Any) -> int:
    """Cancel jobs. One that waits is cancelled immediately, one that runs by its worker."""
    chosen = given(filters)
    if sum((bool(ids), bool(chosen), everything)) != 1:
        raise click.UsageError("give either IDs, or options that select jobs (--task, --queue, --where, …), or --all")
    if ids:
        return _cancel_each(ids, dry_run=dry_run)
    if dry_run:
        _preview(as_jobs(chosen))
    else:
        _cancel_many(as_jobs(chosen))
    return 0


def would(act: str, session: "Session", job_id: UUID) -> str:
    """Return the line of a dry run of `act` for a job."""
    from gristmill.shared.jobs.find import get_job

    job = get_job(session, job_id)
    return f"would {act} {job_id}: {job.task}, {job.state}, due at {text_of(job.run_at)}"


def summary_of(job: "Job") -> dict[str, Any]:
    """Return a job as a row."""
    return {
        "id": str(job.id),
        "task": job.task,
        "queue": job.queue,
        "state": job.state,
        "attempt": job.attempt,
        "run_at": job.run_at,
        "created_at": job.created_at,
        "finished_at": job.finished_at,
    }


def _cancel_each(ids: tuple[UUID, ...], *, dry_run: bool) -> int:
    from gristmill.shared.operating.cancel import cancel_job

    def act(session: "Session", each: UUID) -> str:
        if dry_run:
            return would("cancel", session, each)
        job = cancel_job(session, each, actor=actor())
        if job.state == "running":
            return f"{each} is running: its worker is asked to end it; `gristmill jobs show {each}` shows when it has"
        return f"{each} is cancelled"

    return act_on_each(ids, act)


def _preview(wanted: "Specification") -> None:
    from gristmill.commands.database import transaction
    from gristmill.shared.operating.queries_job_lists import CANCELLABLE, count_jobs, list_jobs

    with transaction() as session:
        number = count_jobs(session, wanted & CANCELLABLE)
        rows = [summary_of(job) for job in list_jobs(session, wanted & CANCELLABLE, limit=_SHOWN)]
    newest = f"; the newest {len(rows)}:" if number.count > len(rows) else ""
    click.echo(f"{_jobs(number)} would be cancelled{newest}")
    show_rows(rows, as_json=False, empty="")


def _cancel_many(wanted: "Specification") -> None:
    from gristmill.shared.database.clock import read_clock
    from gristmill.shared.operating.job_filter import choose_jobs

    cancelled = asked = 0
    with open_database() as database:
        with database.transaction() as session:  # what is posted from now on is left alone, or this might never end
            wanted &= choose_jobs(created_before=read_clock(session))
        more = True
        while more:
            done = _cancel_some(database, wanted, before=cancelled + asked)
            more, cancelled, asked = done.more, cancelled + done.cancelled, asked + done.asked
    if not cancelled + asked:
        click.echo("No job that has not ended matches: nothing was done")
        return
    click.echo(f"{_jobs(cancelled)} cancelled")
    if asked:
        click.echo(f"{_jobs(asked)} running: their workers are asked to end them")


def _cancel_some(database: "Database", wanted: "Specification", *, before: int) -> "CancelProgress":
    """Cancel as many jobs as one pass takes, and report progress on standard error; `before` were cancelled before."""
    from gristmill.shared.operating.cancel_many import BATCH, CancelProgress, cancel_matching

    reported, done = 0, CancelProgress(more=False)
    for done in cancel_matching(database, wanted, actor=actor()):
        if done.more and done.seen >= reported + BATCH:
            reported = done.seen
            click.echo(f"{before + reported} …", err=True)
    return done


def _jobs(number: object) -> str:
    return f"{number} job{'' if str(number) == '1' else 's'}"
