"""Run the demo: `gristmill demo`."""

from pathlib import Path

import click

from gristmill.commands.options import DATA_FOLDER


@click.command()
@click.option(
    "--data",
    type=DATA_FOLDER,
    default=".gristmill",
    show_default=True,
    help="Data folder of the `gristmill up` to use.",
)
def demo(*, data: Path) -> int:
    """Post real jobs of every kind and follow them to their ends: some fail, one kills its worker.

    Uses the platform that `gristmill up` runs in this folder. If none runs, starts one and stops it afterwards.
    Exits with 0 if every job ended as expected, else with 1.

    \b
    Examples:
      gristmill demo
      gristmill demo --data /var/tmp/mill
    """  # noqa: D301  click's mark for text that is not to be wrapped
    from gristmill.demo.run import run

    return run(data)
