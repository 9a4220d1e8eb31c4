"""Mass acts: preview them with their number, then repeat the request until nothing more matches."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import click

from gristmill.output.paper import paper_for
from gristmill.output.table import Column, table
from gristmill.output.values import read_time

if TYPE_CHECKING:
    from gristmill.backends.operations import Backend

_MOMENT: Final = timedelta(microseconds=1)  # the smallest step of a time in Postgres


@dataclass(frozen=True, slots=True)
class Preview:
    """Things that an act would change.

    Attributes:
        number: of the things, as people read it: `12`, `10000+`.
        sample: the newest of them.
        body: of the request that changes them, and leaves alone what is created from now on.
    """

    number: str
    sample: Sequence[Mapping[str, Any]]
    body: dict[str, Any]

    def show(self, backend: "Backend", columns: Sequence[Column], sentence: str) -> None:
        """Print the sentence, and the sample as a table."""
        some = f"; the newest {len(self.sample)}:" if self.number != str(len(self.sample)) else ""
        click.echo(f"{sentence}{some}")
        if self.sample:
            click.echo("\n".join(table(self.sample, columns, paper_for(wide=False, clock=backend.clock))))


def preview(backend: "Backend", operation: str, chosen: dict[str, Any]) -> Preview:
    """Return what an act on many would change.

    Args:
        backend: which is asked.
        operation: `cancel_jobs` or `redrive_dead_letters`.
        chosen: the filter; empty for everything.
    """
    found = backend.ask(operation, {**(chosen or {"all": True}), "dry_run": True})
    newest = max((read_time(each["created_at"]) for each in found["sample"]), default=None)
    body = dict(chosen)
    # Jobs that are posted meanwhile are left alone, or this might never end. The sample is the newest of those that
    # match, so its times are the database's own.
    if newest is not None:
        body["created_before"] = (newest + _MOMENT).isoformat()
    return Preview(f"{found['matched']}{'+' if found['more'] else ''}", found["sample"], body)


def until_none(backend: "Backend", operation: str, body: dict[str, Any]) -> Iterator[Any]:
    """Repeat a request and yield its answers, until one says that nothing more matches.

    At a rate, the next request waits until the last job of the one before is due: each spreads its jobs from now on.
    """
    while True:
        done = backend.ask(operation, body)
        yield done
        if not done["more"] or not done["matched"]:
            return
        if "rate" in body and done["until"] is not None:
            time.sleep(max(0.0, (read_time(done["until"]) - backend.clock()).total_seconds()))
