"""A connection that is cut between claim and handler is the platform's trouble: it costs the job no attempt."""

from collections.abc import Callable
from typing import Any

import pytest
from sqlalchemy import event

from gristmill.shared.database.connect import Database
from gristmill.shared.states import State
from gristmill.workers.execute.attempt import Executor
from tests import platform_tasks as tasks
from tests.factories import attempts, effects, find, post, terminate

pytestmark = pytest.mark.timeout(300, method="thread")


@pytest.mark.parametrize("jobs", [1, 3], ids=["alone", "in a bundle"])
def test_a_connection_that_is_cut_before_the_handler_costs_no_attempt(
    database: Database, database_url: str, executor: Executor, jobs: int
) -> None:
    posted = [post(database, tasks.effect, key=f"k{number}") for number in range(jobs)]
    cuts: list[int] = []

    def cut(connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
        if "pg_try_advisory_xact_lock" in statement and len(cuts) < 2:
            cuts.append(connection.connection.dbapi_connection.info.backend_pid)
            terminate(database_url, cuts[-1])

    _listen(database, cut)
    executor.execute(posted)
    assert len(set(cuts)) == 2
    for number, job in enumerate(posted):
        found = find(database, job)
        assert (found.state, found.attempt, effects(database, f"k{number}")) == (State.SUCCEEDED, 1, 1)
        assert not attempts(database, job)


def _listen(database: Database, cut: Callable[..., None]) -> None:
    event.listen(database.engine, "before_cursor_execute", cut)
