"""Sealed arguments come back as they were, with the same key only."""

import orjson
import pytest

from gristmill.shared.base.redaction import hide_sealed
from gristmill.shared.base.sealing import seal, unseal
from gristmill.shared.errors import PermanentError
from gristmill.shared.settings import Secret

KEY, OTHER = Secret("k" * 32), Secret("o" * 32)
ARGS = {"email": "ada@mill.example", "password": "Correct-horse-1", "hint": None}
NAMES = frozenset({"password", "hint", "absent"})


def test_what_is_sealed_cannot_be_read_and_comes_back_as_it_was() -> None:
    sealed = seal(KEY, ARGS, NAMES)
    assert b"Correct-horse-1" not in orjson.dumps(sealed)
    assert sealed["email"] == ARGS["email"]
    assert unseal(KEY, sealed, NAMES) == ARGS
    assert seal(KEY, ARGS, NAMES) != sealed  # equal passwords do not look equal


def test_another_key_is_told_and_is_final() -> None:
    with pytest.raises(PermanentError, match="another GRISTMILL_SECRET_KEY") as refused:
        unseal(OTHER, seal(KEY, ARGS, NAMES), NAMES)
    assert refused.value.error_code == "ARGS_UNREADABLE"
    assert "Correct-horse-1" not in refused.value.message


def test_nothing_is_sealed_where_no_name_says_so() -> None:
    assert seal(KEY, ARGS, frozenset()) == unseal(KEY, ARGS, frozenset()) == ARGS
    assert hide_sealed(ARGS, NAMES)["password"] == "[sealed]"
