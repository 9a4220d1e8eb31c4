"""Write the parts of a project: a task, a table with its migration, a mail template, a schedule."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from gristmill.generate.columns import LINE, Column, import_line, imports_of
from gristmill.generate.edits import add_to_list
from gristmill.generate.errors import GenerateError
from gristmill.generate.files import render, write_new
from gristmill.generate.names import camel, plural
from gristmill.generate.project import Project
from gristmill.generate.revisions import find_head, new_revision

_REPEATING: Final = {
    "database": "Repeating is harmless: what is written on ctx.session commits together with the end of the job.",
    "outside": "Say why repeating it is harmless: an attempt may end after its effect, and before that is recorded.",
}
TESTS: Final = Path("tests")


def write_task(project: Project, name: str, *, queue: str, effects: str, args: Sequence[Column]) -> list[str]:
    """Write a task and its test; return a line for each file.

    Raises:
        GenerateError: one of the files exists.
    """
    subject, _, verb = name.partition(".")
    function = f"{verb}_{subject}"
    values = {
        "name": name,
        "queue": queue,
        "effects": effects,
        "package": project.package,
        "function": function,
        "schema": f"{camel(function)}Args",
        "stdlib": _paragraph(imports_of(args)),
        "marshmallow": _marshmallow(args),
        "fields": _paragraph("".join(f"    {each.name} = {each.field}\n" for each in args), before=True),
        "signature": _signature(function, args),
        "repeating": _wrap(_REPEATING[effects]),
        "call": _call(name, args),
    }
    files = {
        project.folder / "jobs" / f"{function}.py": render("parts/task.py", values),
        TESTS / f"test_{function}.py": render("parts/test_task.py", values),
    }
    return write_new(files, project.root)


def write_table(project: Project, word: str, columns: Sequence[Column]) -> list[str]:
    """Write a model and the migration that creates its table; return a line for each file.

    Raises:
        GenerateError: one of the files exists, or the project's migrations have not one end.
    """
    versions = project.folder / "migrations" / "versions"
    head, revision, table = find_head(project.root / versions), new_revision(), plural(word)
    types = {each.kind.column.partition("(")[0] for each in columns} | {"BigInteger", "DateTime", "Identity"}
    values = {
        "package": project.package,
        "word": word.replace("_", " "),
        "table": table,
        "model": camel(word),
        "stdlib": imports_of(columns, "from datetime import datetime"),
        "sqlalchemy": import_line("sqlalchemy", {*types, "func"}),
        "revision": revision,
        "down_revision": "None" if head is None else f'"{head}"',
    }
    model = "".join(_model_column(each) for each in columns)
    migration = "".join(
        f'        sa.Column("{each.name}", sa.{each.kind.column}, nullable={each.optional}),\n' for each in columns
    )
    files = {
        project.folder / "models" / f"{word}.py": render("parts/model.py", {**values, "columns": model}),
        versions / f"{revision}_create_{table}.py": render("parts/migration.py", {**values, "columns": migration}),
    }
    return write_new(files, project.root)


def write_template(project: Project, name: str) -> list[str]:
    """Write subject and text of a mail template; return a line for each file.

    Raises:
        GenerateError: one of the files exists.
    """
    folder = project.folder / "templates"
    files = {folder / f"{name}.{part}": render(f"parts/mail.{part}", {}) for part in ("subject", "txt")}
    return write_new(files, project.root)


def write_schedule(
    project: Project, name: str, *, task: str, cron: str, timezone: str, args: Mapping[str, Any]
) -> list[str]:
    """Add a schedule to the project's list; return a line for its file.

    Raises:
        GenerateError: the file has no list to add to.
    """
    path = project.folder / "schedules.py"
    file = project.root / path
    if not file.is_file():
        msg = f"{path} is not there: write it, with `schedules = []`, and give your Plugin schedules=schedules"
        raise GenerateError(msg)
    values = {"name": name, "cron": cron, "timezone": timezone, "task": task, "args": _schedule_args(args)}
    entry = render("parts/schedule.py", values).rstrip("\n")
    file.write_text(add_to_list(file.read_text(encoding="utf-8"), "schedules", entry), encoding="utf-8")
    return [f"changed {path}"]


def _marshmallow(args: Sequence[Column]) -> str:
    lines = ["from marshmallow import Schema, fields" if args else "from marshmallow import Schema"]
    if any("Length" in each.field for each in args):
        lines.append("from marshmallow.validate import Length")
    return "\n".join(lines)


def _signature(function: str, args: Sequence[Column]) -> str:
    parameters = ["ctx: Context", *(["*"] if args else []), *(each.parameter for each in args)]
    line = f"def {function}({', '.join(parameters)}) -> None:"
    return (
        line
        if len(line) <= LINE
        else "\n".join([f"def {function}(", *(f"    {each}," for each in parameters), ") -> None:"])
    )


def _call(name: str, args: Sequence[Column]) -> str:
    words = [f'"{name}"', *(f"{each.name}={each.kind.sample}" for each in args if not each.optional)]
    line = f"    mill.run({', '.join(words)})"
    return line if len(line) <= LINE else "\n".join(["    mill.run(", *(f"        {each}," for each in words), "    )"])


def _model_column(column: Column) -> str:
    return f"    {column.name}: Mapped[{column.annotation}] = mapped_column({column.kind.column})\n"


def _paragraph(lines: str, *, before: bool = False) -> str:
    """Return lines with an empty one behind, or before them; nothing for none."""
    if not lines:
        return ""
    return f"\n{lines}" if before else f"{lines}\n"


def _wrap(text: str) -> str:
    head, _, rest = text.partition(": ")
    return f"{head}:\n    {rest}" if len(text) + 4 > LINE else text


def _schedule_args(args: Mapping[str, Any]) -> str:
    """Return the arguments as the formatter writes them: on one line, or each on its own."""
    if not args:
        return ""
    line = f"        args={literal(args)},"
    if len(line) <= LINE:
        return f"\n{line}"
    return "\n".join(
        ["\n        args={", *(f"            {literal(k)}: {literal(v)}," for k, v in args.items()), "        },"]
    )


def literal(value: Any) -> str:
    """Return a JSON value as Python writes it, with double quotes."""
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{literal(key)}: {literal(each)}" for key, each in value.items()) + "}"
    if isinstance(value, list):
        return "[" + ", ".join(map(literal, value)) + "]"
    return repr(value)
