"""Import a handler that is named by text, and compare a handler with the schema of its arguments."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from importlib import import_module
from typing import Any, Final

from marshmallow import Schema, missing

from gristmill.shared.errors import TaskDefinitionError

_NAME: Final = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*:[^\W\d]\w*")
_BY_POSITION: Final = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)

Handler = Callable[..., Any]


def _name_problem(text: str) -> str | None:
    if _NAME.fullmatch(text):
        return None
    return f"the handler {text!r} must read like `shop.heavy:build_report`: a module, a colon, a function"


def summary_of(handler: Handler | str, name: str) -> str:
    """Return the first line of a handler's docstring; the name of the task where there is none."""
    return name if isinstance(handler, str) else (inspect.getdoc(handler) or name).splitlines()[0]


def origin_of(handler: Handler | str) -> tuple[str, int]:
    """Return the module and the line of a declaration.

    Args:
        handler: a function that is declared, which knows its origin; that of a text is the statement three calls above.
    """
    code = None if isinstance(handler, str) else getattr(inspect.unwrap(handler), "__code__", None)
    if code is not None and not isinstance(handler, str):
        return str(handler.__module__), int(code.co_firstlineno)
    frame = inspect.currentframe()
    for _ in range(3):
        frame = frame.f_back if frame is not None else None
    return ("an unknown module", 0) if frame is None else (str(frame.f_globals.get("__name__")), frame.f_lineno)


def _keyword_problem(handler: Handler, schema: Schema) -> str | None:
    """Return the problem with a handler whose keywords are not the fields of its schema, or None."""
    parameters = list(inspect.signature(handler).parameters.values())
    if not parameters or parameters[0].kind not in _BY_POSITION:
        return "the handler's first parameter is the context: write `def handler(ctx: Context, *, …)`"
    keywords = parameters[1:]
    if any(parameter.kind is not inspect.Parameter.KEYWORD_ONLY for parameter in keywords):
        return "the handler takes its arguments by keyword: put `*,` after `ctx`"
    fields = {field.attribute or name: field for name, field in schema.fields.items()}
    names = {parameter.name for parameter in keywords}
    if names != fields.keys():
        lacking, extra = sorted(fields.keys() - names), sorted(names - fields.keys())
        return f"handler and schema differ: the handler lacks {lacking}, the schema lacks {extra}"
    for parameter in keywords:
        field, optional = fields[parameter.name], parameter.default is not inspect.Parameter.empty
        if not optional and not field.required and field.load_default is missing:
            return f"{parameter.name} is optional in the schema: give it a default in the handler too"
    return None


def handler_problem(handler: Handler | str, many: Any, summary: str | None) -> str | None:
    """Return the problem with the names of handlers, or with a summary, or None."""
    if isinstance(handler, str) and summary is None:
        return f'the handler {handler!r} is not imported here, and so its docstring: write summary="…", one line'
    if summary is not None and (not summary.strip() or "\n" in summary):
        return f"summary={summary!r} must be one line of text"
    named = (each for each in (handler, many) if isinstance(each, str))
    return next(filter(None, map(_name_problem, named)), None)


def load_handler(named: Handler | str, task: str, schema: Schema | None = None) -> Handler:
    """Return a handler, imported if it is named by text; with `schema`, its keywords are compared with it.

    Args:
        task: the name of its task, for the error.

    Raises:
        TaskDefinitionError: it does not fit the schema, or its module has no such function.
        Exception: whatever its module raises when it is imported, with a note that names the task.
    """
    handler = named if callable(named) else _imported(named, task)
    problem = None if schema is None else _keyword_problem(handler, schema)
    if problem is not None:
        raise TaskDefinitionError(f"@task {task}: {problem}")
    return handler


def _imported(named: str, task: str) -> Handler:
    module_name, _, name = named.partition(":")
    try:
        module = import_module(module_name)
    except Exception as error:
        error.add_note(f"@task {task}: importing its handler {named}")
        raise
    found = getattr(module, name, None)
    if not callable(found):
        raise TaskDefinitionError(f"@task {task}: the module {module_name} has no function {name!r}; correct {named!r}")
    handler: Handler = found
    return handler
