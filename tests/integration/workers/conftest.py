"""What the tests of the workers work with."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import pytest

from gristmill.shared.database.connect import Database
from gristmill.shared.task import Task
from gristmill.workers.celery.stop_flag import StopFlag
from gristmill.workers.execute.attempt import Executor
from tests.factories import declared, reached

Declare = Callable[..., Task]


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    """A migrated database of this test's own."""
    with reached(database_url) as database:
        yield database


@pytest.fixture
def stop_flag() -> StopFlag:
    return StopFlag()


@pytest.fixture
def executor(database: Database) -> Executor:
    return Executor(database, worker="test@here", queue="data_processing_queue")


@pytest.fixture
def declare() -> Iterator[Declare]:
    """Declare tasks that are gone after the test."""
    with ExitStack() as stack:

        def make(handler: Callable[..., Any], **options: Any) -> Task:
            return stack.enter_context(declared(handler, **options))

        yield make
