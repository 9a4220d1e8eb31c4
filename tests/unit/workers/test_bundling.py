"""Which jobs travel together: of one task and queue, no more than the task allows, in order, each once."""

from dataclasses import replace
from datetime import UTC, datetime

from hypothesis import given
from hypothesis import strategies as st
from uuid_utils.compat import uuid7

import tests.platform_tasks  # noqa: F401  fills the registry
from gristmill.shared.jobs.outbox import Due
from gristmill.shared.queues import QUEUES
from gristmill.shared.task import registry
from gristmill.workers.hard_limit import hard_limit
from gristmill.workers.hint_size import MAX_PORTIONS, SHORT, max_hint_size, portion_size
from gristmill.workers.relay.bundling import SHARES, bundle_hints

NAMES = ["demo.echo", "demo.effect", "demo.fail", "email.send", "demo.of_tomorrow"]
DATA, PRIORITY = "data_processing_queue", "priority_queue"


def due(task: str, queue: str = DATA, *, alone: bool = False) -> Due:
    since = datetime(2026, 7, 1, tzinfo=UTC)
    return Due(id=1, job_id=uuid7(), task=task, queue=queue, due_at=since, alone=alone, revivals=0, paused=False)


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from([DATA, PRIORITY])), max_size=150))
def test_under_backlog_every_job_travels_once_with_its_like_and_in_order(kinds: list[tuple[str, str]]) -> None:
    rows = [due(task, queue) for task, queue in kinds]
    hints = bundle_hints(rows, deep={DATA, PRIORITY})
    for task, queue in set(kinds):
        sent = [job_id for hint in hints if (hint.task, hint.queue) == (task, queue) for job_id in hint.job_ids]
        assert sent == [row.job_id for row in rows if (row.task, row.queue) == (task, queue)]
    for hint in hints:
        assert 1 <= len(hint.job_ids) <= max_hint_size(registry.find(hint.task))


def test_under_backlog_a_hint_carries_several_portions_of_a_short_task_and_one_of_a_long_one() -> None:
    echo, fail = registry.get("demo.echo"), registry.get("demo.fail")
    assert (portion_size(echo), max_hint_size(echo)) == (echo.bundle, MAX_PORTIONS * echo.bundle)
    assert (portion_size(fail), max_hint_size(fail)) == (1, MAX_PORTIONS)
    assert max_hint_size(replace(fail, time_limit=2 * SHORT)) == 1
    assert max_hint_size(replace(fail, effects="outside")) == 1
    assert max_hint_size(replace(echo, time_limit=2 * SHORT)) == echo.bundle
    assert max_hint_size(None) == 1
    assert [len(hint.job_ids) for hint in bundle_hints([due("demo.fail")] * (MAX_PORTIONS + 1), deep={DATA})] == [
        MAX_PORTIONS,
        1,
    ]


def test_under_backlog_a_job_whose_worker_was_lost_travels_alone() -> None:
    rows = [due("demo.echo"), due("demo.echo", alone=True), due("demo.echo")]
    hints = bundle_hints(rows, deep={DATA, PRIORITY})
    assert sorted(hint.job_ids for hint in hints) == sorted([(rows[1].job_id,), (rows[0].job_id, rows[2].job_id)])


def test_while_there_is_little_to_do_every_job_travels_alone() -> None:
    rows = [due("demo.echo") for _ in range(SHARES * QUEUES[DATA].concurrency)]
    assert [hint.job_ids for hint in bundle_hints(rows)] == [(row.job_id,) for row in rows]


@given(st.integers(1, 2_000))
def test_bundles_grow_only_as_far_as_every_worker_process_gets_its_share(count: int) -> None:
    hints = bundle_hints([due("demo.echo") for _ in range(count)])
    assert sum(len(hint.job_ids) for hint in hints) == count
    assert len(hints) >= min(count, SHARES * QUEUES[DATA].concurrency)
    if count < 800:
        assert len(hints) <= 2 * SHARES * QUEUES[DATA].concurrency


def test_the_hard_limit_of_a_bundle_leaves_each_of_its_jobs_its_own_time() -> None:
    echo = registry.get("demo.echo")
    seconds = echo.time_limit.total_seconds()
    assert hard_limit(echo) > seconds
    assert hard_limit(echo, 32) >= hard_limit(echo) + 63 * seconds  # together, and then apart
