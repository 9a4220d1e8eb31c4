"""`gristmill new`: write a task and its test from a template."""

import re
from pathlib import Path
from string import Template
from typing import Final

import click

from gristmill.shared.queues import PRIORITY_QUEUE, QUEUES

_NAME: Final = re.compile(r"(?P<subject>[a-z][a-z0-9_]*)\.(?P<verb>[a-z][a-z0-9_]*)")
# By the first word of a task's name; any task may be posted with priority high.
_QUEUES: Final = {
    queue.binding.removesuffix(".*"): queue.name for queue in QUEUES.values() if queue is not PRIORITY_QUEUE
}
_OTHERWISE: Final = "data_processing_queue"

_TASK: Final = Template('''\
"""Say in one line what $name is for."""

from __future__ import annotations

from datetime import timedelta

from marshmallow import Schema, fields
from marshmallow.validate import Length

from gristmill.shared.context import Context
from gristmill.shared.retry import RetryPolicy
from gristmill.shared.task import task


class ${schema}(Schema):
    """What a producer gives with the job; anything else is refused with the field's path."""

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
"""What must hold for $name, a sentence each."""

import pytest

from gristmill.shared.errors import InvalidArgsError
from tasks.$function import $function


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
@click.option("--queue", help="The queue of its jobs.  [default: the one of its name's first part]")
def task(*, name: str, queue: str | None) -> None:
    """Write tasks/VERB_SUBJECT.py and its test for a task called NAME (`subject.verb`, as in `report.build`)."""
    from gristmill.shared.queues import QUEUES

    words = _NAME.fullmatch(name)
    if words is None:
        raise click.UsageError(f"{name!r} does not read like `report.build`: lower case, a subject, a dot, a verb")
    chosen = queue or _QUEUES.get(words["subject"], _OTHERWISE)
    if chosen not in QUEUES:
        raise click.UsageError(f"there is no queue {chosen!r}: choose one of {', '.join(QUEUES)} (shared/queues.py)")
    if not Path("tasks", "__init__.py").is_file():
        raise click.ClickException("there is no tasks/ here: call this in the folder of the project")
    _refuse_taken(name)
    function = f"{words['verb']}_{words['subject']}"
    values = {"name": name, "queue": chosen, "function": function, "schema": _camel(function) + "Args"}
    module, test = Path("tasks", f"{function}.py"), Path("tests", "unit", "tasks", f"test_{function}.py")
    for path, template in ((module, _TASK), (test, _TEST)):
        if path.exists():
            raise click.ClickException(f"{path} exists: choose another name, or remove it")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(template.substitute(values), encoding="utf-8")
        click.echo(f"wrote {path}")
    click.echo(
        f"\nNext:\n"
        f"  1. Say in {module} what it does, with which arguments, and why repeating is harmless.\n"
        f"  2. Name it in tasks/__init__.py:  from tasks.{function} import {function}\n"
        f"     and in its __all__:            {function!r}\n"
        f"  3. Try the test:                  pytest {test}\n"
        f"  4. Restart `gristmill up`, then:  gristmill jobs post {name} note=hello"
    )


def _refuse_taken(name: str) -> None:
    from gristmill import tasks as _  # noqa: F401  fills the registry
    from gristmill.shared.task import registry

    taken = registry.find(name)
    if taken is not None:
        raise click.ClickException(f"{name} is there already, in {taken.handler.__module__}: choose another name")


def _camel(words: str) -> str:
    return "".join(word.capitalize() for word in words.split("_"))
