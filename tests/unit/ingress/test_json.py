"""What cannot be stored, or not be read back unchanged, does not get through the door."""

from typing import Any

import pytest

from gristmill.ingress.errors import MalformedError
from gristmill.ingress.http.json import parse


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b" ",
        b"{",
        b"{'a': 1}",
        b'{"a": 1,}',
        b'{"a": 1} {"a": 1}',
        b'{"a": NaN}',
        b"[Infinity]",
        b"[-Infinity]",
        b"[1e999]",
        b"[-1e999]",
        b"[18446744073709551616]",
        b"[-9223372036854775809]",
        b'{"deep": {"er": [100000000000000000000]}}',
        b"18446744073709551616",
        b'{"a": -18446744073709551616}',
        b"[1e20, [[0.5, 99999999999999999999]]]",
        b"[" + b"9" * 5000 + b"]",
        b'["\\u0000"]',
        b'["a\\u0000b"]',
        b'{"\\u0000": 1}',
        b'{"a": {"b": ["\\u0000"]}}',
        b'["\x00"]',
        b'["\\ud800"]',
        b'["\\udc00\\ud800"]',
        b'["\xff"]',
        b'["\xed\xa0\x80"]',
        b"\xef\xbb\xbf{}",
        '{"a": "ä"}'.encode("latin-1"),
        '{"a": "ä"}'.encode("utf-16"),
        '{"a": 1}'.encode("utf-32"),
        b"[" * 33 + b"]" * 33,
        b'{"a":' * 33 + b"1" + b"}" * 33,
        b"[" * 900 + b"]" * 900,
        b"[" * 100_000,
        b'{"a":' * 50_000,
        b'{"a": 1, "a": 1}',
        b'{"a": 1, "\\u0061": 2}',
        b'[{"b": {"a": ":", "a" : ":"}}]',
        b'{"a:\\"": ":", "a:\\"": "\\\\"}',
    ],
    ids=lambda body: repr(body[:24]),
)
def test_what_cannot_be_stored_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedError):
        parse(body)


@pytest.mark.parametrize(
    ("body", "value"),
    [
        (b"[18446744073709551615]", [2**64 - 1]),
        (b"[-9223372036854775808]", [-(2**63)]),
        (b"[1e20]", [1e20]),
        (b'{"a": [-1e19, 9223372036854775808.0]}', {"a": [-1e19, 2.0**63]}),
        (
            b'{"a": ":", "b:": {"a": "\\":\\\\"}, "c": [{"a": 1}, {"a": 1}]}',
            {"a": ":", "b:": {"a": '":\\'}, "c": [{"a": 1}] * 2},
        ),
        (b"[0.12345678901234567890123]", [0.12345678901234568]),
        (b'["100000000000000000000"]', ["100000000000000000000"]),
        (b'["\\\\u0000"]', ["\\u0000"]),
        (b'["\\ud83d\\ude00"]', ["\U0001f600"]),
        (b"[" * 32 + b"]" * 32, None),
        (b"[" + b"{}," * 100 + b"{}]", [{}] * 101),
        (b'["' + b"[" * 100 + b'"]', ["[" * 100]),
        (b"null", None),
    ],
    ids=lambda value: repr(value)[:24],
)
def test_what_only_looks_dangerous_is_taken_as_it_is(body: bytes, value: Any) -> None:
    parsed = parse(body)
    assert value is None or parsed == value


def test_a_refusal_says_what_to_do() -> None:
    with pytest.raises(MalformedError, match="send it as a string"):
        parse(b'{"id": 123456789012345678901}')
    with pytest.raises(MalformedError, match="deeper than 32 levels"):
        parse(b"[" * 33 + b"]" * 33)
