"""Redrive or discard dead letters: `gristmill dead-letters redrive` and `discard`."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import click

from gristmill.commands.bulk import act_on_each, actor
from gristmill.commands.database import open_database
from gristmill.commands.options import as_letters, filter_options, find_letter, given, read_args, summary_of
from gristmill.commands.output import show_rows
from gristmill.commands.settings import load_registry

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.dead_letters.models import DeadLetter
    from gristmill.shared.dead_letters.redrive_many import RedriveProgress
    from gristmill.shared.filters.specification import Specification

_SHOWN: Final = 10  # letters of a dry run
_WHY: Final = {
    "unique_key": "their unique key is held by a live job",
    "unknown_task": "this version does not know their task",
    "no_job": "they never were a job",
    "resolved": "they were redriven or discarded meanwhile",
}


@click.command()
@click.argument("ids", metavar="[ID]...", nargs=-1, type=click.UUID)
@click.option("--args", "document", help="New arguments as a JSON object, in place of all that the job has.")
@filter_options
@click.option("--all", "everything", is_flag=True, help="Redrive every open dead letter.")
@click.option("--rate", type=click.FloatRange(0.01, 10_000), help="Jobs started per second, from now on.")
@click.option("--dry-run", is_flag=True, help="Print how many they are, show the newest, and change nothing.")
def redrive(
    *,
    ids: tuple[UUID, ...],
    document: str | None,
    everything: bool,
    rate: float | None,
    dry_run: bool,
    **filters: Any,
) -> int:
    """Run dead jobs again: those of the dead letters (or dead jobs) ID, or all that the options select."""
    chosen = given(filters)
    if sum((bool(ids), bool(chosen), everything)) != 1:
        raise click.UsageError(
            "give either IDs, or options that select dead letters (--task, --queue, --reason, …), or --all"
        )
    if ids and rate is not None:
        raise click.UsageError("--rate is for many: give options that select dead letters, or --all")
    if document is not None and len(ids) != 1:
        raise click.UsageError("--args corrects one job: give one ID")
    args = read_args(document) if document is not None else None
    load_registry()
    if ids:
        return _redrive_each(ids, args, dry_run=dry_run)
    if dry_run:
        _preview(as_letters(chosen))
    else:
        _redrive_many(as_letters(chosen), rate)
    return 0


@click.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True, type=click.UUID)
@click.option("--reason", required=True, help="The reason why they are not needed; it is recorded.")
@click.option("--dry-run", is_flag=True, help="Print what they are and change nothing.")
def discard(*, ids: tuple[UUID, ...], reason: str, dry_run: bool) -> int:
    """Resolve dead letters without running their jobs again; the jobs stay dead."""
    from gristmill.shared.dead_letters.redrive import discard_one

    def act(session: "Session", each: UUID) -> str:
        letter = find_letter(session, each)
        if dry_run:
            return _would("discard", letter)
        discard_one(session, letter.id, actor=actor(), reason=reason)
        return f"{letter.id} is discarded"

    return act_on_each(ids, act)


def _redrive_each(ids: Sequence[UUID], args: dict[str, Any] | None, *, dry_run: bool) -> int:
    from gristmill.shared.dead_letters.redrive import redrive_one

    def act(session: "Session", each: UUID) -> str:
        letter = find_letter(session, each)
        if dry_run:
            return _would("redrive", letter)
        job = redrive_one(session, letter.id, actor=actor(), args=args)
        return f"{letter.id} is redriven: job {job.id} is {job.state}, with {job.max_attempts - job.attempt} attempts"

    return act_on_each(ids, act)


def _preview(wanted: "Specification") -> None:
    from gristmill.commands.database import transaction
    from gristmill.shared.dead_letters.queries import count_letters, list_letters

    with transaction() as session:
        number = count_letters(session, wanted)
        rows = [summary_of(letter) for letter in list_letters(session, wanted, limit=_SHOWN)]
    newest = f"; the newest {len(rows)}:" if number.count > len(rows) else ""
    click.echo(f"{_letters(number)} would be redriven{newest}")
    show_rows(rows, as_json=False, empty="")


def _redrive_many(wanted: "Specification", rate: float | None) -> None:
    from gristmill.shared.dead_letters.queries import count_letters
    from gristmill.shared.dead_letters.redrive_many import redrive_matching

    done: RedriveProgress | None = None
    with open_database() as database:
        with database.transaction() as session:
            number = count_letters(session, wanted)
        for done in redrive_matching(database, wanted, actor=actor(), rate=rate):
            if done.more:
                click.echo(f"{done.seen} of {number} …", err=True)
    if done is None or not done.seen:
        click.echo("No open dead letter matches: nothing was done")
        return
    last = f"; the last is due at {done.until:%Y-%m-%d %H:%M:%SZ}" if rate is not None and done.until else ""
    click.echo(f"{_letters(done.redriven)} redriven{last}")
    for why, left in done.skipped.items():
        click.echo(f"{_letters(left)} left: {_WHY[why]}")


def _would(act: str, letter: "DeadLetter") -> str:
    if letter.resolution is not None:
        return f"{letter.id} is {letter.resolution} already: nothing would be done"
    return f"would {act} {letter.id}: {letter.task or 'no job'}, {letter.reason}, {letter.error_message or 'no error'}"


def _letters(number: object) -> str:
    return f"{number} dead letter{'' if str(number) == '1' else 's'}"
