"""Write a project of one's own: `gristmill init`."""

from pathlib import Path

import click


@click.command()
@click.argument("name")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path), required=False)
def init(*, name: str, folder: Path | None) -> None:
    """Write a project called NAME into FOLDER: a plugin with a task, a table, a mail template, a schedule and a test.

    NAME is that of its package, in lower case. FOLDER is NAME in the working folder, unless another one is given. It
    may hold other files already, but none of those that are written.

    \b
    Examples:
      gristmill init shop
      gristmill init shop .       into this folder
    """  # noqa: D301  click's mark for text that is not to be wrapped
    from gristmill.generate.names import check_package
    from gristmill.generate.new_project import write_project

    if name == ".":
        raise click.UsageError("name the project, too: `gristmill init shop .` writes it into this folder")
    root = Path(name) if folder is None else folder
    for line in write_project(check_package(name), root.absolute()):
        click.echo(line)
    click.echo(_next_steps(root))


def _next_steps(root: Path) -> str:
    enter = "" if root.absolute() == Path.cwd() else f"  cd {root}\n"
    return (
        f"\nNext:\n{enter}"
        "  pip install -e '.[dev]'        what it needs, with pytest, ruff and mypy\n"
        "  gristmill up                   run it; a changed file is reloaded\n"
        "  gristmill new --help           add tasks, tables, templates and schedules"
    )
