"""Write a project of one's own, and parts of it: `gristmill init` and `gristmill new`."""

from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Iterable

    from gristmill.generate.project import Project
    from gristmill.shared.plugins.load import Loaded


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
        raise click.UsageError("name the project before the folder: `shop .` writes shop into this folder")
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


@click.group()
def new() -> None:
    """Write a task, a table, a mail template or a schedule into the project in this folder (see `gristmill init`).

    \b
    Examples:
      gristmill new task invoice.send
      gristmill new table invoice number:text cents:integer sent_at:timestamp?
      gristmill new template invoice
      gristmill new schedule invoices --task invoice.send --cron "30 7 * * mon-fri" --timezone Europe/Berlin
    """  # noqa: D301  click's mark for text that is not to be wrapped


@new.command()
@click.argument("name")
@click.argument("args", nargs=-1, metavar="[ARGUMENT:TYPE]...")
@click.option("--queue", help="The queue of its jobs.  [default: the one of its subject, or the project's first]")
@click.option(
    "--effects",
    type=click.Choice(["database", "outside"]),
    default="database",
    show_default=True,
    help="Where it has effects: only in ctx.session, or outside of the database, too.",
)
def task(*, name: str, args: tuple[str, ...], queue: str | None, effects: str) -> None:
    """Write a task called NAME (`subject.verb`) and its test.

    An argument is NAME:TYPE with text, integer, bigint, decimal, boolean, date, timestamp or uuid; NAME:TYPE? may be
    absent.

    \b
    Examples:
      gristmill new task invoice.send
      gristmill new task invoice.send number:text cents:integer due:date?
      gristmill new task parcel.track --effects outside --queue priority_queue
    """  # noqa: D301  the same
    from gristmill.generate.columns import read_columns
    from gristmill.generate.names import split_task
    from gristmill.generate.parts import write_task

    subject, verb = split_task(name)
    columns = read_columns(args, taken=("ctx",))
    project = _project()
    _refuse_taken_task(name)
    chosen = queue_for(project.package, subject, queue)
    _say(write_task(project, name, queue=chosen, effects=effects, args=columns))
    module = project.folder / "jobs" / f"{verb}_{subject}.py"
    words = "".join(f" {each.name}=…" for each in columns if not each.optional)
    click.echo(f"\nNext: write what it does in {module}, and call it: gristmill jobs post {name}{words}")


@new.command()
@click.argument("name")
@click.argument("columns", nargs=-1, metavar="[COLUMN:TYPE]...")
def table(*, name: str, columns: tuple[str, ...]) -> None:
    """Write a table for NAME, a noun in the singular, and the migration that creates it.

    A column is NAME:TYPE with text, integer, bigint, decimal, boolean, date, timestamp or uuid; NAME:TYPE? may be null.
    `id` and `created_at` come with it.

    \b
    Examples:
      gristmill new table invoice number:text cents:integer sent_at:timestamp?
    """  # noqa: D301  the same
    from gristmill.generate.columns import read_columns
    from gristmill.generate.names import check_word
    from gristmill.generate.parts import write_table

    check_word(name, "a table", "invoice")
    read = read_columns(columns, taken=("id", "created_at", "metadata", "registry"))
    _say(write_table(_project(), name, read))
    click.echo("\nNext: `gristmill up` applies the migration, and so does `gristmill db upgrade`")


@new.command()
@click.argument("name")
def template(*, name: str) -> None:
    """Write a mail template called NAME: its subject and its text. An HTML part, NAME.html, may stand beside them.

    \b
    Examples:
      gristmill new template invoice
    """  # noqa: D301  the same
    from gristmill.generate.names import check_word
    from gristmill.generate.parts import write_template
    from gristmill.tasks.mail.catalogue import mail_templates

    check_word(name, "a template", "invoice")
    project = _project()
    _load()
    taken = mail_templates().get(name)
    if taken is not None:
        raise click.ClickException(f"{name} is a template of the plugin {taken.plugin}, in {taken.folder}")
    _say(write_template(project, name))
    call = f'ctx.enqueue("email.send", to=…, template="{name}", context={{"name": …}})'
    click.echo(f"\nNext: send it from a task: {call}")


@new.command()
@click.argument("name")
@click.option("--task", "task_name", required=True, help="The task of its jobs.")
@click.option("--cron", required=True, help="Five fields: minute, hour, day, month, weekday.")
@click.option("--timezone", default="UTC", show_default=True, help="An IANA name, such as Europe/Berlin.")
@click.option("--args", "document", default="{}", help="The task's arguments, as JSON.")
def schedule(*, name: str, task_name: str, cron: str, timezone: str, document: str) -> None:
    """Add a schedule called NAME to the project's `schedules.py`.

    \b
    Examples:
      gristmill new schedule send-invoices --task invoice.send --cron "30 7 * * mon-fri" --timezone Europe/Berlin
      gristmill new schedule greet --task greeting.send --cron "0 9 * * *" --args '{"name": "A", "to": "a@example.com"}'
    """  # noqa: D301  the same
    from gristmill.commands.common.arguments import read_object
    from gristmill.generate.names import check_schedule
    from gristmill.generate.parts import write_schedule
    from gristmill.shared.schedules.declaration import Schedule
    from gristmill.shared.schedules.defaults import check_default

    check_schedule(name)
    args = read_object(document)
    project = _project()
    loaded = _load()
    if any(each.name == name for each in loaded.schedules):
        raise click.ClickException(f"there is a schedule {name} already: choose another name")
    _refuse_unknown_task(task_name)
    check_default(Schedule(name, cron=cron, timezone=timezone, task=task_name, args=args))
    _say(write_schedule(project, name, task=task_name, cron=cron, timezone=timezone, args=args))
    click.echo(f"\nNext: `gristmill up`, and to fire it now: gristmill schedules run {name}")


def queue_for(package: str, subject: str, wanted: str | None) -> str:
    """Return the queue of a new task: `wanted`, or the one bound to its subject, or the first of the project's plugin.

    Raises:
        UsageError: there is no queue of the name that is wanted.
    """
    from gristmill.shared.queues import PRIORITY_QUEUE, QUEUES

    loaded = _load()
    if wanted is None:
        bound = [each.name for each in QUEUES.values() if each.binding == f"{subject}.*" and each != PRIORITY_QUEUE]
        own = [queue.name for plugin in loaded.plugins if plugin.name == package for queue in plugin.queues]
        return [*bound, *own, "data_processing_queue"][0]
    if wanted not in QUEUES:
        raise click.UsageError(f"there is no queue {wanted!r}: {_meant(wanted, QUEUES)}there are {', '.join(QUEUES)}")
    return wanted


def _project() -> "Project":
    from gristmill.generate.project import find_project

    return find_project(Path.cwd())


def _load() -> "Loaded":
    """Load the plugins, those of the project too; what is wrong with a file of it is a plain message."""
    from gristmill.shared.plugins.load import load_plugins
    from gristmill.up.check_plugins import describe_failure

    try:
        return load_plugins()
    except Exception as error:
        raise click.ClickException(describe_failure(error)) from error


def _refuse_taken_task(name: str) -> None:
    from gristmill.shared.task import registry

    _load()
    taken = registry.find(name)
    if taken is not None:
        raise click.ClickException(f"{name} exists, in {taken.module}: choose another name")


def _refuse_unknown_task(name: str) -> None:
    from gristmill.shared.task import registry

    names = [task.name for task in registry if not task.internal]
    if name not in names:
        raise click.UsageError(f"there is no task {name!r}: {_meant(name, names)}there are {', '.join(names)}")


def _meant(word: str, words: "Iterable[str]") -> str:
    close = get_close_matches(word, list(words), n=1)
    return f"did you mean {close[0]}? " if close else ""


def _say(lines: list[str]) -> None:
    for line in lines:
        click.echo(line)
