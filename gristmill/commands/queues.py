"""`gristmill queues`: what waits where."""

import click

from gristmill.commands.output import json_option, show_rows


@click.group()
def queues() -> None:
    """List the queues and what waits in them.

    \b
    Example:
      gristmill queues list --json
    """  # noqa: D301  click's mark for text that is not to be wrapped


@queues.command(name="list")
@json_option
def list_(*, as_json: bool) -> None:
    """List the queues: jobs by state, how long the first in line has waited, open dead letters."""
    from gristmill.commands.settings import transaction
    from shared.queries.overview import list_queues

    with transaction() as session:
        rows = list_queues(session)
    show_rows(rows, as_json=as_json, empty="No queues")
