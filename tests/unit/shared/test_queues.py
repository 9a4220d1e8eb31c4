"""The queues' names and keys: every task's hint is matched by its queue's binding, and by no other."""

import re
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

import tests.platform_tasks  # noqa: F401  fills the registry
from gristmill.shared.jobs.leases import lock_key
from gristmill.shared.queues import QUEUES, Queue
from gristmill.shared.task import registry

NAMES = [task.name for task in registry]


def matches(binding: str, key: str) -> bool:
    """As a topic exchange does: `*` stands for exactly one word."""
    pattern = ".".join("[^.]+" if word == "*" else re.escape(word) for word in binding.split("."))
    return re.fullmatch(pattern, key) is not None


@pytest.mark.parametrize("queue", QUEUES.values(), ids=list(QUEUES))
@pytest.mark.parametrize("task", [*NAMES, "processing.with.many.words", "x.y"])
def test_the_routing_key_of_any_task_in_any_queue_is_matched_by_that_queue_alone(queue: Queue, task: str) -> None:
    key = queue.routing_key(task)
    assert [other.name for other in QUEUES.values() if matches(other.binding, key)] == [queue.name]
    assert len(key.encode()) <= 255


IDS = st.uuids(version=4)  # of the same variant as version 7: the low half of both begins with the same two bits


@given(IDS)
def test_a_lock_key_lies_where_no_plain_number_of_an_application_is_and_is_not_the_half_of_an_id(job_id: UUID) -> None:
    assert -(2**63) <= lock_key(job_id) < -(2**62)
    assert lock_key(job_id) % 2**64 != job_id.int % 2**64


@given(IDS, IDS)
def test_two_lock_keys_differ_in_every_bit_that_the_low_halves_of_the_ids_differ_in(one: UUID, other: UUID) -> None:
    assert (lock_key(one) ^ lock_key(other)) % 2**64 == (one.int ^ other.int) % 2**64
