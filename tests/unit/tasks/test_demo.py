"""The tasks for trying things out do what they say."""

import pytest

from gristmill.shared.errors import PermanentError, TransientError
from gristmill.shared.outcomes import Cancel
from tests import platform_tasks as tasks
from tests.contexts import make_context, make_settings

SETTINGS = make_settings()


def test_echo_returns_the_message() -> None:
    assert tasks.echo(make_context(tasks.echo, SETTINGS), message="hé") == {"message": "hé"}


@pytest.mark.parametrize(("kind", "error"), [("transient", TransientError), ("permanent", PermanentError)])
def test_fail_fails_as_often_and_in_the_way_it_was_asked_to(kind: str, error: type[Exception]) -> None:
    for attempt in (1, 2):
        with pytest.raises(error):
            tasks.fail(make_context(tasks.fail, SETTINGS, attempt=attempt), times=2, kind=kind)
    assert tasks.fail(make_context(tasks.fail, SETTINGS, attempt=3), times=2, kind=kind) == {"attempt": 3}


def test_fail_can_fail_for_ever() -> None:
    with pytest.raises(TransientError):
        tasks.fail(make_context(tasks.fail, SETTINGS, attempt=100), times=-1)


def test_sleep_wakes_up_to_be_cancelled() -> None:
    context = make_context(tasks.sleep, SETTINGS, is_cancelled=lambda: True)
    assert isinstance(tasks.sleep(context, seconds=3600), Cancel)
    assert tasks.sleep(make_context(tasks.sleep, SETTINGS), seconds=0.01) == {"seconds": 0.01}


def test_crash_lets_its_process_live_when_it_has_crashed_often_enough() -> None:
    assert tasks.crash(make_context(tasks.crash, SETTINGS, attempt=2), times=1) == {"attempt": 2}
