"""Arguments of a job, from `NAME=VALUE` words or a JSON object."""

import json
from typing import Any

import click


def arguments_of(pairs: tuple[str, ...], document: str | None) -> dict[str, Any]:
    """Return the arguments: each VALUE that is JSON is read as JSON, any other as text.

    Raises:
        UsageError: they are given twice, or wrong.
    """
    if document is not None and pairs:
        raise click.UsageError("give either --args or NAME=VALUE, not both")
    if document is not None:
        return read_object(document)
    args = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals or not name:
            raise click.UsageError(f"{pair!r} is not NAME=VALUE")
        try:
            args[name] = json.loads(value)
        except ValueError:
            args[name] = value
    return args


def read_object(document: str, option: str = "--args") -> dict[str, Any]:
    """Return the JSON object that an option holds.

    Raises:
        UsageError: it is none.
    """
    try:
        found = json.loads(document)
    except ValueError as error:
        raise click.UsageError(f"{option} is not JSON: {error}") from None
    if not isinstance(found, dict):
        raise click.UsageError(f'{option} takes a JSON object: {option} \'{{"name": "value"}}\'')
    return found
