"""Regular expressions of Python as JSON Schema writes them."""

import re

import jsonschema
import jsonschema_rs
import pytest
from hypothesis import given
from hypothesis import strategies as st

from gristmill.shared.contract.patterns import ecma_pattern
from gristmill.shared.contract.refusal import FieldRefusedError

TRANSLATED = {
    r"^[a-z]+$": r"^[a-z]+$",
    r"a|b": r"^(?:a|b)",
    r"^a|b": r"^(?:^a|b)",
    r"^(?:a|b)": r"^(?:a|b)",
    r"\Aa\Z": r"^a$",
    "(?P<q>['\"])x(?P=q)": "^(?:(['\"])x(?:\\1))",
    r"a\-b\ c\#\"": r"^(?:a-b c#\")".replace("\\", ""),
    r"[\w\-.\"]": r"^(?:[\w\-.\"])".replace('\\"', '"'),
    r"[]x[]": r"^(?:[\]x\[])",
    r"[^]x]": r"^(?:[^\]x])",
    r"a{,3}b{2}c{4,}": r"^(?:a{0,3}b{2}c{4,})",
    r"{a}]": r"^(?:\{a\}\])",
    r"a\.\\\(\[": r"^(?:a\.\\\(\[)",
    r"a+?b*?c??": r"^(?:a+?b*?c??)",
    r"(?=a)(?!b)(?<=c)(?<!d)": r"^(?:(?=a)(?!b)(?<=c)(?<!d))",
    r"\x41é\U0001F600\a": "^(?:\\x41\\u00e9\U0001f600\\x07)".replace("\\u00e9", "é"),
}
WORDS = ["", "a", "b", "ab", "aaabbcccc", "A", "'x'", '"x"', "\"x'", "x", "[", "]", "{a}]", 'a-b c#"', "a.\\([", "z\n"]


@pytest.mark.parametrize(("ours", "theirs"), TRANSLATED.items())
def test_a_pattern_is_translated_and_finds_the_same(ours: str, theirs: str) -> None:
    assert ecma_pattern(re.compile(ours)) == theirs
    validator = jsonschema_rs.validator_for({"pattern": theirs})
    for word in WORDS:
        expected = re.compile(ours).match(word) is not None
        assert jsonschema.Draft202012Validator({"pattern": theirs}).is_valid(word) is expected, word
        assert validator.is_valid(word) is expected or word.endswith("\n"), word  # `$` finds a last "\n" in Python only


@pytest.mark.parametrize(
    "pattern",
    [
        *(re.compile("a", flags) for flags in (re.IGNORECASE, re.MULTILINE, re.DOTALL, re.VERBOSE)),
        *(
            re.compile(text)
            for text in ("(?i:a)", "(?#note)a", "(a)?(?(1)b|c)", "(?>a)", "a++", "a{2}+", r"\N{EM DASH}")
        ),
        re.compile(b"a"),
    ],
)
def test_a_pattern_that_cannot_be_translated_is_refused_with_the_cure(pattern: re.Pattern[str]) -> None:
    with pytest.raises(FieldRefusedError, match="write it without"):
        ecma_pattern(pattern)


@pytest.mark.filterwarnings("ignore:Possible:FutureWarning")
@given(st.text("ab(){}[]?*+|^$\\.-, dwZA12:=!<P>", max_size=12))
def test_whatever_python_compiles_is_refused_or_is_a_pattern_for_json_schema_too(text: str) -> None:
    try:
        pattern = ecma_pattern(re.compile(text))
    except (re.error, FieldRefusedError, OverflowError):
        return
    re.compile(pattern)
    jsonschema_rs.validator_for({"pattern": pattern})
