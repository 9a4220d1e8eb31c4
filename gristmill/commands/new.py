"""Write a new task and its test: `gristmill new task`."""

import re
from pathlib import Path
from string import Template
from typing import Final

import click

from gristmill.commands.settings import load_registry

_NAME: Final = re.compile(r"(?P<subject>[a-z][a-z0-9_]*)\.(?P<verb>[a-z][a-z0-9_]*)")
_DEFAULT_QUEUE: Final = "data_processing_queue"

_PACKAGE: Final = Template('"""Tasks of the kind `$subject`."""\n')

_TASK: Final = Template('''\
"""Say in one line what $name is for."""

from __future__ import annotations

from datetime import timedelta

from marshmallow import Schema, fields
from marshmallow.validate import Length

from gristmill import Context, RetryPolicy, task


class ${schema}(Schema):
    """Arguments of a job; any other is refused with its path."""

    note = fields.String(required=True, validate=Length(1, 200))


@task(
    name="$name",
    queue="$queue",
    args=${schema},
    retry=RetryPolicy(max_attempts=3, first_delay=timedelta(seconds=2)),
    time_limit=timedelta(seconds=30),
    effects="database",
)
def $function(ctx: Context, *, note: str) -> dict[str, str]:
    """Say in one line what it does: GET /api/v1/tasks shows this.

    Repeating is harmless: what is written on ctx.session commits together with the job's completion, or not at all.
    """
    return {"note": note, "job": str(ctx.job_id)}
''')

_TEST: Final = Template('''\
"""Behaviour of $name, a sentence each."""

import pytest

from gristmill.shared.errors import InvalidArgsError
from gristmill.tasks.$subject.$function import $function


def test_a_job_without_a_note_is_refused_with_the_path_of_the_field() -> None:
    with pytest.raises(InvalidArgsError) as refused:
        $function.load_args({})
    assert list(refused.value.details) == ["args.note"]


def test_it_gives_up_after_three_attempts() -> None:
    assert $function.retry.max_attempts == 3
''')


@click.group()
def new() -> None:
    """Write a new task and its test.

    \b
    Example:
      gristmill new task report.build
    """  # noqa: D301  click's mark for text that is not to be wrapped


@new.command()
@click.argument("name")
@click.option("--queue", help="The queue of its jobs.  [default: the queue bound to SUBJECT, or data_processing_queue]")
def task(*, name: str, queue: str | None) -> None:
    """Write a task called NAME (`subject.verb`, as in `report.build`) and its test, in a clone of the project.

    The task goes into tasks/SUBJECT/VERB_SUBJECT.py, the test into tests/unit/tasks/.
    """
    words = _NAME.fullmatch(name)
    if words is None:
        raise click.UsageError(f"{name!r} does not read like `report.build`: lower case, a subject, a dot, a verb")
    subject, function = words["subject"], f"{words['verb']}_{words['subject']}"
    values = {
        "name": name,
        "subject": subject,
        "queue": queue_for(subject, queue),
        "function": function,
        "schema": _camel(function) + "Args",
    }
    _refuse_taken(name)
    _require_checkout()
    module = Path("tasks", subject, f"{function}.py")
    test = Path("tests", "unit", "tasks", f"test_{function}.py")
    _write({module: _TASK, test: _TEST}, values)
    click.echo(_next_steps(module, test, values))


def queue_for(subject: str, wanted: str | None) -> str:
    """Return the queue of a new task: `wanted`, or the one that is bound to its subject, or the default."""
    from gristmill.shared.queues import PRIORITY_QUEUE, QUEUES

    if wanted is None:
        bound = (each.name for each in QUEUES.values() if each.binding == f"{subject}.*" and each != PRIORITY_QUEUE)
        return next(bound, _DEFAULT_QUEUE)
    if wanted not in QUEUES:
        raise click.UsageError(f"there is no queue {wanted!r}: choose one of {', '.join(QUEUES)} (shared/queues.py)")
    return wanted


def _refuse_taken(name: str) -> None:
    taken = load_registry().find(name)
    if taken is not None:
        raise click.ClickException(f"{name} exists, in {taken.handler.__module__}: choose another name")


def _require_checkout() -> None:
    """Refuse a folder whose tasks/ is not the one that this command loads: what is written there would never run."""
    from gristmill import tasks

    here, loaded = Path("tasks", "__init__.py"), Path(tasks.__file__).resolve()
    if here.is_file() and here.resolve() == loaded:
        return
    root = loaded.parents[1]
    if not (root / "pyproject.toml").is_file():
        raise click.ClickException(
            "gristmill is installed here as a package, which takes no new tasks: clone the project, run `make dev` "
            "in the clone, and run `.venv/bin/gristmill new task` there"
        )
    raise click.ClickException(
        f"{Path.cwd()} is not the clone that this command loads its tasks from: run it in {root} (`cd {root}`)"
    )


def _write(files: dict[Path, Template], values: dict[str, str]) -> None:
    for path in files:
        if path.exists():
            raise click.ClickException(f"{path} exists: choose another name, or remove the file")
    package = Path("tasks", values["subject"], "__init__.py")
    missing = {} if package.exists() else {package: _PACKAGE}
    for path, template in {**missing, **files}.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(template.substitute(values), encoding="utf-8")
        click.echo(f"wrote {path}")


def _next_steps(module: Path, test: Path, values: dict[str, str]) -> str:
    function = values["function"]
    return (
        f"\nNext:\n"
        f"  1. Say in {module} what it does, with which arguments, and why repeating it is harmless.\n"
        f"  2. Import it in tasks/__init__.py:  from gristmill.tasks.{values['subject']}.{function} import {function}\n"
        f'     and add it to its __all__:       "{function}"\n'
        f"  3. Run the test:                    pytest {test}\n"
        f"  4. Restart `gristmill up`, then:    gristmill jobs post {values['name']} note=hello"
    )


def _camel(words: str) -> str:
    return "".join(word.capitalize() for word in words.split("_"))
