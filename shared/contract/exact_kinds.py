"""Describe decimal numbers and times: text in JSON, exact, with limits that JSON Schema cannot compare."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, time, timedelta
from decimal import ROUND_HALF_EVEN, Decimal, getcontext
from typing import Any, Final

from marshmallow import ValidationError, fields

from gristmill.shared.contract.json_values import serialized
from gristmill.shared.contract.kinds import Describe, Kind, between, numbers
from gristmill.shared.contract.limits import Described, bounds_of
from gristmill.shared.contract.refusal import FieldRefusedError

_NAIVE: Final = r"^\d{4}-[01]\d-[0-3]\dT[0-2]\d:[0-5]\d(:[0-5]\d(\.\d{1,6})?)?$"
_TIME_OF_DAY: Final = r"^(?!2[4-9])[0-2]\d:[0-5]\d(:[0-5]\d(\.\d{1,6})?)?$"
_DAY: Final = timedelta(days=1)


class ExactText:
    """Refuse what is not the described text, before a field that would load more reads it.

    It is a `pre_load` function of the field. None, and values of Python's own types, are left to the field.
    """

    def __init__(self, pattern: str, *, example: str) -> None:
        self._is_exact = re.compile(pattern, re.ASCII).fullmatch
        self._example = example

    def __call__(self, value: Any) -> Any:
        """Return `value` as it is.

        Raises:
            ValidationError: it is a JSON number, or another text.
        """
        if isinstance(value, (int, float)) and not isinstance(value, bool):
            msg = f'Not exact as a JSON number, which is read as binary: write it as text, "{self._example}".'
            raise ValidationError(msg)
        if isinstance(value, str) and not self._is_exact(value):
            msg = f'Not of the form "{self._example}".'
            raise ValidationError(msg)
        return value


def _require(field: fields.Field[Any], pattern: str, *, example: str) -> None:
    if not any(isinstance(each, ExactText) for each in field.pre_load):
        field.pre_load = [*field.pre_load, ExactText(pattern, example=example)]


def _decimal(field: fields.Decimal) -> Kind:
    if field.allow_nan:
        raise FieldRefusedError("allow_nan=True: JSON has no NaN; write allow_none=True instead")
    bounds, pattern = bounds_of(field), _decimal_pattern(field)
    _require(field, pattern, example="12.50")

    def candidates(_described: Described) -> Iterator[str]:
        for value in between(bounds, Decimal(10), Decimal(1)):
            number = Decimal(value)
            yield format(number.quantize(field.places, ROUND_HALF_EVEN) if field.places else number, "f")

    return Kind({"type": "string", "format": "decimal", "pattern": pattern}, candidates)


def _decimal_pattern(field: fields.Decimal) -> str:
    """Return the pattern of a decimal number; one that the field would round is only in it if `rounding` says so."""
    low = bounds_of(field).low
    sign = "" if low is not None and low >= 0 else "-?"
    places = None if field.places is None else max(-int(field.places.as_tuple().exponent), 0)
    whole = r"\d+" if places is None else rf"\d{{1,{max(getcontext().prec - places, 1)}}}"
    if places is None or field.rounding is not None:
        fraction = r"(\.\d+)?"
    else:
        fraction = rf"(\.\d{{1,{places}}})?" if places else ""
    return f"^{sign}{whole}{fraction}$"


def _date_time(field: fields.DateTime) -> Kind:
    bounds = bounds_of(field)
    if bounds.is_limited and not isinstance(field, (fields.NaiveDateTime, fields.AwareDateTime)):
        msg = "Range on a DateTime fails for times with an offset, or for those without: write AwareDateTime"
        raise FieldRefusedError(msg)
    zone = field.timezone if isinstance(field, fields.NaiveDateTime) else UTC
    described = _described_by_format(field, {"type": "string", "format": "date-time"})
    if "format" in described and zone is None:
        described = {"type": "string", "pattern": _NAIVE}

    def candidates(_described: Described) -> Iterator[Any]:
        usual = datetime(2030, 1, 1, tzinfo=None if isinstance(field, fields.NaiveDateTime) else UTC)
        for each in between(bounds, usual, _DAY):
            yield _with_z(serialized(field, each if each.tzinfo is not None else each.replace(tzinfo=zone)))

    return Kind(described, candidates)


def _with_z(written: Any) -> Any:
    return written.replace("+00:00", "Z") if isinstance(written, str) and "T" in written else written


def _date(field: fields.Date) -> Kind:
    described = _described_by_format(field, {"type": "string", "format": "date"})
    bounds = bounds_of(field)
    return Kind(described, lambda _: (serialized(field, each) for each in between(bounds, date(2030, 1, 1), _DAY)))


def _time(field: fields.Time) -> Kind:
    bounds = bounds_of(field)
    described = _described_by_format(field, {"type": "string", "pattern": _TIME_OF_DAY})
    if "pattern" in described and bounds.is_limited:
        _require(field, _TIME_OF_DAY, example="12:30")  # one with an offset cannot be compared with limits without
    return Kind(described, lambda _: (serialized(field, each) for each in between(bounds, time(12), _DAY)))


def _described_by_format(field: Any, iso: Described) -> Described:
    written = field.format or field.DEFAULT_FORMAT
    if written in ("iso", "iso8601"):
        return iso
    if written.startswith("timestamp"):
        unit = "Milliseconds" if written.endswith("_ms") else "Seconds"
        return {"type": "number", "minimum": 0, "title": f"{unit} since 1970"}
    if written in ("rfc", "rfc822"):
        return {"type": "string", "title": "A time as in RFC 822"}
    return {"type": "string", "title": f"A text of the form {written}"}


def _time_delta(field: fields.TimeDelta) -> Kind:
    return Kind({"type": "number", "x-unit": field.precision}, numbers)


EXACT_KINDS: Final[Mapping[type, Describe]] = {
    fields.Decimal: _decimal,
    fields.DateTime: _date_time,
    fields.Date: _date,
    fields.Time: _time,
    fields.TimeDelta: _time_delta,
}
