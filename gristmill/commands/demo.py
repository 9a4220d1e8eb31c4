"""`gristmill demo`."""

from pathlib import Path

import click

from gristmill.commands.data_folder import FOLDER


@click.command()
@click.option("--data", type=FOLDER, default=".gristmill", show_default=True, help="The folder of the `up` to use.")
def demo(*, data: Path) -> int:
    """Post real jobs of every kind and watch them end: good ones, failing ones, one that kills its worker.

    Uses the platform that `gristmill up` runs in this folder; where none runs, it starts one and stops it again.
    Ends with 0 when every job ended as it must, else with 1.

    \b
    Examples:
      gristmill demo
      gristmill demo --data /var/tmp/mill
    """  # noqa: D301  click's mark for text that is not to be wrapped
    from gristmill.demo.run import run

    return run(data)
