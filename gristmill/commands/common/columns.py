"""Columns that several tables share."""

from collections.abc import Mapping
from typing import Any

from gristmill.output.paper import Paper
from gristmill.output.table import Column
from gristmill.output.values import age, stamp


def age_column(field: str = "created_at", name: str = "AGE") -> Column:
    """Return a column with the age of a time."""
    return Column(name=name, value=lambda row, paper: age(row[field], paper.now))


def time_column(field: str, name: str, **options: Any) -> Column:
    """Return a column with a time in UTC."""
    return Column(name=name, value=lambda row, _paper: stamp(row[field]), **options)


def error_of(row: Mapping[str, Any], field: str) -> str:
    """Return a field of the error of a row, or an empty text."""
    return str((row.get("error") or {}).get(field) or "")


def error_column(field: str, name: str, **options: Any) -> Column:
    """Return a column with a field of the row's error."""
    return Column(name=name, value=lambda row, _paper: error_of(row, field), **options)


def title(name: str, paper: Paper) -> str:
    """Return a heading between two parts."""
    return paper.paint(name, None, bold=True)
