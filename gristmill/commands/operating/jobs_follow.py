"""Follow a job to its end: `gristmill jobs watch`."""

import json
import time
from typing import Any, Final
from uuid import UUID

import click

from gristmill.commands.common.api_command import ApiCommand, open_backend
from gristmill.output.paper import Paper, paper_for
from gristmill.output.values import cut, one_line, stamp, text_of

_TIMED_OUT: Final = 124  # as the program `timeout` ends
_COLOURS: Final = {"succeeded": "green", "dead": "red", "failed": "red", "lost": "red", "started": "cyan"}


@click.command(name="watch", cls=ApiCommand)
@click.argument("job_id", metavar="ID", type=click.UUID)
@click.option("-o", "--output", type=click.Choice(["table", "wide", "json"]), default="table", show_default=True)
@click.option("--timeout", type=click.FloatRange(1), help="Seconds to wait for the end.")
def follow(*, job_id: UUID, output: str, timeout: float | None) -> int:
    """Follow a job: print its past events, then each new one, until it ends.

    Exits with 0 if the job succeeded, with 1 if it ended without success, with 124 after --timeout seconds.
    With -o json each event is one line of JSON.
    """
    ends_at = time.monotonic() + timeout if timeout is not None else None
    last = ""
    with open_backend() as backend:
        paper = paper_for(wide=output == "wide", clock=backend.clock)
        for event in backend.follow(job_id):
            if event is not None:
                last = event["event"]
                click.echo(json.dumps(event, ensure_ascii=False) if output == "json" else _line(event, paper))
            if ends_at is not None and time.monotonic() > ends_at:
                click.echo(f"{job_id} has not ended within {timeout:g} s", err=True)
                return _TIMED_OUT
    return 0 if last == "job.succeeded" else 1


def _line(event: dict[str, Any], paper: Paper) -> str:
    data = event["data"]
    error = data.get("error") or {}
    told = error.get("message") or (text_of(data["result"]) if data.get("result") is not None else "")
    kind = event["event"]
    start = f"{stamp(data['at'])}  {data['attempt']:>2}  "
    name = kind.ljust(17)
    rest = cut(one_line(told), max(10, paper.width - len(start) - len(name) - 2)) if paper.width else one_line(told)
    return f"{start}{paper.paint(name, _COLOURS.get(kind.partition('.')[2]))}  {rest}".rstrip()
