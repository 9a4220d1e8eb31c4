"""`gristmill jobs cancel`: some jobs by their ids, or all that a filter chooses."""

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import click

from gristmill.commands.bulk import act_on_each, actor, open_database
from gristmill.commands.options import as_jobs, given, job_options
from gristmill.commands.output import show_rows, text_of

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.filters.specification import Specification
    from gristmill.shared.jobs.models import Job

_SHOWN: Final = 10  # jobs of a dry run


@click.command()
@click.argument("ids", metavar="[ID]...", nargs=-1, type=click.UUID)
@job_options
@click.option("--all", "everything", is_flag=True, help="Every job that has not ended.")
@click.option("--dry-run", is_flag=True, help="Only say which they are.")
def cancel(*, ids: tuple[UUID, ...], everything: bool, dry_run: bool, **filters: Any) -> int:
    """Cancel jobs: one that waits ends at once, one that runs is ended by its worker."""
    chosen = given(filters)
    if sum((bool(ids), bool(chosen), everything)) != 1:
        raise click.UsageError("give either IDs, or options that choose (--task, --queue, --where, …), or --all")
    if ids:
        return _cancel_each(ids, dry_run=dry_run)
    if dry_run:
        _preview(as_jobs(chosen))
    else:
        _cancel_many(as_jobs(chosen))
    return 0


def would(act: str, session: "Session", job_id: UUID) -> str:
    """Return what a dry run of `act` says of a job."""
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
            return f"{each} runs: its worker is asked to end it; `gristmill jobs show {each}` tells when"
        return f"{each} is cancelled"

    return act_on_each(ids, act)


def _preview(wanted: "Specification") -> None:
    from gristmill.commands.settings import transaction
    from gristmill.shared.operating.queries_job_lists import CANCELLABLE, count_jobs, list_jobs

    with transaction() as session:
        number = count_jobs(session, wanted & CANCELLABLE)
        rows = [summary_of(job) for job in list_jobs(session, wanted & CANCELLABLE, limit=_SHOWN)]
    newest = f"; the newest {len(rows)}:" if number.count > len(rows) else ""
    click.echo(f"{_jobs(number)} would be cancelled{newest}")
    show_rows(rows, as_json=False, empty="")


def _cancel_many(wanted: "Specification") -> None:
    from gristmill.shared.database.clock import read_clock
    from gristmill.shared.filters.everyday import choose_jobs
    from gristmill.shared.operating.cancel_many import BATCH, cancel_matching

    cancelled = asked = 0
    with open_database() as database:
        with database.transaction() as session:  # what is posted from now on is left alone, or this might never end
            wanted &= choose_jobs(created_before=read_clock(session))
        more = True
        while more:
            more, told = False, 0
            for done in cancel_matching(database, wanted, actor=actor()):
                if done.more and done.seen >= told + BATCH:
                    told = done.seen
                    click.echo(f"{cancelled + asked + told} …", err=True)
                more = done.more
            cancelled, asked = cancelled + done.cancelled, asked + done.asked
    if not cancelled + asked:
        click.echo("No jobs fit that have not ended: nothing was done")
        return
    click.echo(f"{_jobs(cancelled)} cancelled")
    if asked:
        click.echo(f"{_jobs(asked)} running: their workers are asked to end them")


def _jobs(number: object) -> str:
    return f"{number} job{'' if str(number) == '1' else 's'}"
