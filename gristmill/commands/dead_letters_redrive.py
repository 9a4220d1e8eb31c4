"""`gristmill dead-letters redrive` and `discard`."""

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import click

from gristmill.commands.bulk import act_on_each, actor, open_database
from gristmill.commands.options import as_letters, filter_options, find_letter, given, summary_of
from gristmill.commands.output import show_rows

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from gristmill.shared.dead_letters.models import DeadLetter
    from gristmill.shared.dead_letters.redrive_many import RedriveProgress
    from gristmill.shared.filters.specification import Specification

_SHOWN: Final = 10  # letters of a dry run
_WHY: Final = {
    "unique_key": "have the unique key of a live job",
    "unknown_task": "are of a task that this version does not know",
    "no_job": "never were a job",
    "resolved": "were redriven or discarded by somebody else meanwhile",
}


@click.command()
@click.argument("ids", metavar="[ID]...", nargs=-1, type=click.UUID)
@click.option("--args", "document", help="All arguments anew, as a JSON object, instead of what the job has.")
@filter_options
@click.option("--all", "everything", is_flag=True, help="Every open dead letter.")
@click.option("--rate", type=click.FloatRange(0.01, 10_000), help="Jobs a second: their start is spread from now on.")
@click.option("--dry-run", is_flag=True, help="Only say how many they are, and show some.")
def redrive(
    *,
    ids: tuple[UUID, ...],
    document: str | None,
    everything: bool,
    rate: float | None,
    dry_run: bool,
    **filters: Any,
) -> int:
    """Put jobs back to work: those of the dead letters (or dead jobs) ID, or all that the options choose."""
    chosen = given(filters)
    if sum((bool(ids), bool(chosen), everything)) != 1:
        raise click.UsageError("give either IDs, or options that choose (--task, --queue, --reason, …), or --all")
    if ids and rate is not None:
        raise click.UsageError("--rate is for many: give options that choose, or --all")
    if document is not None and len(ids) != 1:
        raise click.UsageError("--args corrects one job: give one ID")
    args = _read_args(document)
    from gristmill import tasks as _  # noqa: F401  fills the registry

    if ids:
        return _redrive_each(ids, args, dry_run=dry_run)
    if dry_run:
        _preview(as_letters(chosen))
    else:
        _redrive_many(as_letters(chosen), rate)
    return 0


@click.command()
@click.argument("ids", metavar="ID...", nargs=-1, required=True, type=click.UUID)
@click.option("--reason", required=True, help="Why nobody needs them; it is kept.")
@click.option("--dry-run", is_flag=True, help="Only say what they are.")
def discard(*, ids: tuple[UUID, ...], reason: str, dry_run: bool) -> int:
    """Resolve dead letters without another try; their jobs stay dead."""
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
    from gristmill.commands.settings import transaction
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
        click.echo("No dead letters fit: nothing was done")
        return
    last = f"; the last is due at {done.until:%Y-%m-%d %H:%M:%SZ}" if rate is not None and done.until else ""
    click.echo(f"{_letters(done.redriven)} redriven{last}")
    for why, left in done.skipped.items():
        click.echo(f"{_letters(left)} left: they {_WHY[why]}")


def _read_args(document: str | None) -> dict[str, Any] | None:
    if document is None:
        return None
    try:
        args = json.loads(document)
    except ValueError as error:
        raise click.UsageError(f"--args is no JSON: {error}") from None
    if not isinstance(args, dict):
        raise click.UsageError('--args is a JSON object: --args \'{"name": "value"}\'')
    return args


def _would(act: str, letter: "DeadLetter") -> str:
    if letter.resolution is not None:
        return f"{letter.id} was {letter.resolution} before: nothing would be done"
    return f"would {act} {letter.id}: {letter.task or 'no job'}, {letter.reason}, {letter.error_message or 'no error'}"


def _letters(number: object) -> str:
    return f"{number} dead letter{'' if str(number) == '1' else 's'}"
