"""Redrive or discard dead letters: `gristmill dead-letters redrive` and `discard`."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import click

from gristmill.commands.common.api_command import ApiCommand, act_on_each, open_backend
from gristmill.commands.common.arguments import read_object
from gristmill.commands.common.bulk import Preview, preview, until_none
from gristmill.commands.common.choices import suggesting
from gristmill.commands.common.columns import age_column, error_column
from gristmill.commands.common.confirm import confirm_many, confirm_options
from gristmill.commands.common.filter_options import body_of, letter_options
from gristmill.output.table import plain
from gristmill.output.values import one_line, stamp

if TYPE_CHECKING:
    from gristmill.backends.operations import Backend

LETTERS: Final = (
    age_column(),
    plain("REASON", "reason"),
    plain("TRY", "attempt", right=True),
    plain("ID", "id", is_id=True),
    plain("TASK", "task", least=5),
    error_column("message", "MESSAGE", least=7),
    plain("RESOLUTION", "resolution", least=5),
    plain("QUEUE", "queue", wide=True),
    error_column("code", "ERROR", wide=True),
    plain("JOB", "job_id", wide=True),
    plain("FINGERPRINT", "fingerprint", wide=True),
)
_WHY: Final = {
    "unique_key": "their unique key is held by a live job",
    "unknown_task": "this version does not know their task",
    "no_job": "they never were a job",
    "resolved": "they were redriven or discarded meanwhile",
}


@click.command(cls=ApiCommand)
@click.argument("ids", metavar="[ID]...", nargs=-1, type=click.UUID)
@click.option("--args", "document", help="New arguments as a JSON object, in place of all that the job has.")
@letter_options
@click.option("--all", "everything", is_flag=True, help="Redrive every open dead letter.")
@click.option("--rate", type=click.FloatRange(0.01, 10_000), help="Jobs started per second, from now on.")
@click.option("--dry-run", is_flag=True, help="Print how many they are, show the newest, and change nothing.")
@confirm_options
def redrive(
    *,
    ids: tuple[UUID, ...],
    document: str | None,
    everything: bool,
    rate: float | None,
    dry_run: bool,
    yes: bool,
    typed: str | None,
    **filters: Any,
) -> int:
    """Run dead jobs again: those of the dead letters (or dead jobs) ID, or all that the options select."""
    body = body_of(filters)
    if sum((bool(ids), bool(body), everything)) != 1:
        raise click.UsageError(
            "give either IDs, or options that select dead letters (--task, --queue, --reason, …), or --all"
        )
    if ids and rate is not None:
        raise click.UsageError("--rate is for many: give options that select dead letters, or --all")
    if document is not None and len(ids) != 1:
        raise click.UsageError("--args corrects one job: give one ID")
    args = read_object(document) if document is not None else None
    if ids:
        return _redrive_each(ids, args, dry_run=dry_run)
    with open_backend() as backend, suggesting(backend, "queue", body.get("queue")):
        found = preview(backend, "redrive_dead_letters", body)
        if dry_run:
            found.show(backend, LETTERS, f"{_letters(found.number)} would be redriven")
        elif not found.sample:
            click.echo("No open dead letter matches: nothing was done")
        else:
            confirm_many(backend, f"Redrive {_letters(found.number)}", yes=yes, typed=typed)
            _redrive_many(backend, found, rate)
    return 0


@click.command(cls=ApiCommand)
@click.argument("ids", metavar="ID...", nargs=-1, required=True, type=click.UUID)
@click.option("--reason", required=True, help="The reason why they are not needed; it is recorded.")
@click.option("--dry-run", is_flag=True, help="Print what they are and change nothing.")
def discard(*, ids: tuple[UUID, ...], reason: str, dry_run: bool) -> int:
    """Resolve dead letters without running their jobs again; the jobs stay dead."""

    def act(backend: "Backend", each: UUID) -> str:
        letter = find_letter(backend, each)
        if dry_run:
            return _would("discard", letter)
        backend.ask("discard_dead_letter", {"reason": reason}, letter_id=letter["id"])
        return f"{letter['id']} is discarded"

    return act_on_each(ids, act)


def find_letter(backend: "Backend", letter_id: UUID) -> Any:
    """Return the dead letter with this id, or the latest one of the job with this id.

    Raises:
        NotFoundError: there is neither.
    """
    from gristmill.shared.errors import NotFoundError

    of_job = {"where": {"field": "job_id", "eq": str(letter_id)}, "resolution": "all", "limit": 1}
    found = backend.ask("search_dead_letters", of_job)["items"]
    try:
        return backend.ask("show_dead_letter", letter_id=found[0]["id"] if found else letter_id)
    except NotFoundError as error:
        msg = f"No dead letter {letter_id}, and no dead job of this id: `gristmill dead-letters list` shows them"
        raise NotFoundError(msg, error.details) from None


def _redrive_each(ids: tuple[UUID, ...], args: dict[str, Any] | None, *, dry_run: bool) -> int:
    def act(backend: "Backend", each: UUID) -> str:
        letter = find_letter(backend, each)
        if dry_run:
            return _would("redrive", letter)
        body = {"args": args} if args is not None else {}
        job = backend.ask("redrive_dead_letter", body, letter_id=letter["id"])
        left = job["max_attempts"] - job["attempt"]
        return f"{letter['id']} is redriven: job {job['id']} is {job['state']}, with {left} attempts"

    return act_on_each(ids, act)


def _redrive_many(backend: "Backend", found: Preview, rate: float | None) -> None:
    redriven, until, skipped = 0, None, Counter[str]()
    for done in until_none(backend, "redrive_dead_letters", {**found.body, **({"rate": rate} if rate else {})}):
        redriven, until = redriven + done["redriven"], done["until"] or until
        skipped.update(done["skipped_because"])
        if done["more"]:
            click.echo(f"{redriven + skipped.total()} of {found.number} …", err=True)
    if not redriven + skipped.total():
        click.echo("No open dead letter matches: nothing was done")
        return
    last = f"; the last is due at {stamp(until)}" if rate is not None and until else ""
    click.echo(f"{_letters(str(redriven))} redriven{last}")
    for why, left in skipped.items():
        click.echo(f"{_letters(str(left))} left: {_WHY.get(why, why)}")


def _would(act: str, letter: Mapping[str, Any]) -> str:
    if letter["resolution"] is not None:
        return f"{letter['id']} is {letter['resolution']} already: nothing would be done"
    message = one_line(letter["error"]["message"] or "no error")
    return f"would {act} {letter['id']}: {letter['task'] or 'no job'}, {letter['reason']}, {message}"


def _letters(number: str) -> str:
    return f"{number} dead letter{'' if number == '1' else 's'}"
