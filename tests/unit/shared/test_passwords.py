"""A good password is accepted, and only its hash is stored."""

import pytest
from marshmallow import ValidationError

from gristmill.shared.people.passwords import check_password, hash_password, password_matches


@pytest.mark.parametrize("password", ["Abcdefg1", "Ünïcödé1", "A1" + "x" * 126, "correct Horse 9 battery"])
def test_a_password_with_length_capital_and_digit_is_accepted(password: str) -> None:
    check_password(password)


@pytest.mark.parametrize(
    ("password", "missing"),
    [("Abcdef1", "8 to 128"), ("A1" + "x" * 127, "8 to 128"), ("abcdefg1", "upper-case"), ("Abcdefgh", "digit")],
)
def test_a_weak_password_is_refused_with_what_it_lacks_and_never_shown(password: str, missing: str) -> None:
    with pytest.raises(ValidationError, match=missing) as refused:
        check_password(password)
    assert password not in str(refused.value)


def test_a_hash_is_argon2id_with_the_parameters_of_the_cheat_sheet_and_matches_only_its_password() -> None:
    kept = hash_password("Correct-Horse-1")
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert password_matches(kept, "Correct-Horse-1")
    assert not password_matches(kept, "Correct-Horse-2")
    assert not password_matches("not a hash", "Correct-Horse-1")
