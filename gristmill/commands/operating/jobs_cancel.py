"""Cancel jobs by their ids, or all that a filter chooses: `gristmill jobs cancel`."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any
from uuid import UUID

import click

from gristmill.commands.common.api_command import ApiCommand, act_on_each, open_backend
from gristmill.commands.common.bulk import Preview, preview, until_none
from gristmill.commands.common.choices import suggesting
from gristmill.commands.common.confirm import confirm_many, confirm_options
from gristmill.commands.common.filter_options import body_of, job_options
from gristmill.commands.operating.job_tables import JOBS
from gristmill.output.values import stamp

if TYPE_CHECKING:
    from gristmill.backends.operations import Backend


@click.command(cls=ApiCommand)
@click.argument("ids", metavar="[ID]...", nargs=-1, type=click.UUID)
@job_options
@click.option("--all", "everything", is_flag=True, help="Cancel every job that has not ended.")
@click.option("--dry-run", is_flag=True, help="Print which they are and change nothing.")
@confirm_options
def cancel(
    *, ids: tuple[UUID, ...], everything: bool, dry_run: bool, yes: bool, typed: str | None, **filters: Any
) -> int:
    """Cancel jobs. One that waits is cancelled immediately, one that runs by its worker."""
    body = body_of(filters)
    if sum((bool(ids), bool(body), everything)) != 1:
        raise click.UsageError("give either IDs, or options that select jobs (--task, --queue, --where, …), or --all")
    if ids:
        return _cancel_each(ids, dry_run=dry_run)
    with open_backend() as backend, suggesting(backend, "queue", body.get("queue")):
        found = preview(backend, "cancel_jobs", body)
        if dry_run:
            found.show(backend, JOBS, f"{_jobs(found.number)} would be cancelled")
        elif not found.sample:
            click.echo("No job that has not ended matches: nothing was done")
        else:
            confirm_many(backend, f"Cancel {_jobs(found.number)}", yes=yes, typed=typed)
            _cancel_many(backend, found)
    return 0


def would(act: str, backend: "Backend", job_id: UUID) -> str:
    """Return the line of a dry run of `act` for a job."""
    job = backend.ask("show_job", job_id=job_id)
    return f"would {act} {job_id}: {job['task']}, {job['state']}, due at {stamp(job['run_at'])}"


def _cancel_each(ids: tuple[UUID, ...], *, dry_run: bool) -> int:
    def act(backend: "Backend", each: UUID) -> str:
        if dry_run:
            return would("cancel", backend, each)
        job = backend.ask("cancel_job", job_id=each)
        if job["state"] == "running":
            return f"{each} is running: its worker is asked to end it; `gristmill jobs show {each}` shows when it has"
        return f"{each} is cancelled"

    return act_on_each(ids, act)


def _cancel_many(backend: "Backend", found: Preview) -> None:
    cancelled = asked = 0
    for done in _steps(backend, found):
        cancelled, asked = cancelled + done["cancelled"], asked + done["asked"]
        if done["more"]:
            click.echo(f"{cancelled + asked} …", err=True)
    if not cancelled + asked:
        click.echo("No job that has not ended matches: nothing was done")
        return
    click.echo(f"{_jobs(str(cancelled))} cancelled")
    if asked:
        click.echo(f"{_jobs(str(asked))} running: their workers are asked to end them")


def _steps(backend: "Backend", found: Preview) -> Iterator[Any]:
    return until_none(backend, "cancel_jobs", {**found.body, "limit": 1_000})


def _jobs(number: str) -> str:
    return f"{number} job{'' if number == '1' else 's'}"
