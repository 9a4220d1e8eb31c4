"""The sets of states, and how a statement lists them."""

from gristmill.shared.states import FINAL, LIVE, WAITING, State, sql_list


def test_each_state_is_live_or_final_and_the_live_ones_wait_or_run() -> None:
    assert {*LIVE, *FINAL} == set(State)
    assert not LIVE & FINAL
    assert set(LIVE - WAITING) == {State.RUNNING}


def test_states_are_listed_in_one_order_however_they_are_given() -> None:
    assert sql_list(LIVE) == "'scheduled', 'queued', 'running', 'retrying'"
    assert sql_list([State.RETRYING, State.QUEUED, State.QUEUED]) == "'queued', 'retrying'"
    assert sql_list({State.RUNNING}) == "'running'"
