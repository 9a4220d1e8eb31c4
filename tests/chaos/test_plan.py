"""The seed decides what the nemesis does and what the clients post: the same one brings the same trouble again."""

import random

import pytest

from chaos.faults import FAULTS
from chaos.mix import draw
from chaos.plan import ONLY, PROCESSES, SERVERS, make_plan

BROKERS = ["rabbitmq", "valkey"]


@pytest.mark.parametrize("broker", BROKERS)
def test_the_same_seed_makes_the_same_plan_and_another_seed_another(broker: str) -> None:
    assert make_plan(1, 60, broker) == make_plan(1, 60, broker)
    assert make_plan(1, 60, broker) != make_plan(2, 60, broker)


@pytest.mark.parametrize("broker", BROKERS)
def test_every_kind_of_fault_comes_when_there_is_time_for_it(broker: str) -> None:
    plan = make_plan(3, 120, broker)
    assert {fault.kind for fault in plan["processes"]} == set(PROCESSES)
    assert {fault.kind for fault in plan["servers"]} == set(SERVERS | ONLY[broker])


def test_the_nemesis_can_do_all_that_a_plan_may_say() -> None:
    kinds = {*PROCESSES, *SERVERS}.union(*ONLY.values())
    assert kinds <= set(FAULTS)


def test_a_client_draws_the_same_jobs_again() -> None:
    first, again = ([draw(chance, f"k{number}") for number in range(200)] for chance in map(random.Random, "xx"))
    assert first == again
    assert {wanted.end for wanted in first} == {"succeeded", "dead"}
