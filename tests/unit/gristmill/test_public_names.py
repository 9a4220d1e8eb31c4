"""The names that other people's code may import from `gristmill`."""

import inspect
import subprocess
import sys

import pytest

import gristmill


def test_importing_the_package_imports_nothing_of_the_platform() -> None:
    asked = "import sys, gristmill; print([name for name in sys.modules if name.startswith('gristmill.')])"
    answer = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, timeout=60, check=True)
    assert answer.stdout.strip() == "[]"


@pytest.mark.parametrize("name", gristmill.__all__)
def test_a_public_name_is_there_and_says_what_it_is(name: str) -> None:
    assert inspect.getdoc(getattr(gristmill, name))


def test_a_name_that_is_not_there_is_told_with_those_that_are() -> None:
    with pytest.raises(AttributeError, match=r"'gristmill' has no attribute 'Tusk'; its public names are .*task"):
        gristmill.Tusk  # noqa: B018


def test_the_public_names_are_listed_for_a_reader() -> None:
    assert set(gristmill.__all__) < set(dir(gristmill))
