"""Every move, from every state, with the current attempt and another one: it moves one row, or reports it did not."""

from collections.abc import Callable
from datetime import timedelta
from typing import Final
from uuid import UUID

import pytest
from sqlalchemy import func, text
from sqlalchemy.orm import Session

from gristmill.shared.database.connect import Database
from gristmill.shared.jobs import leases, moves
from gristmill.shared.jobs.move_statement import move_statement
from gristmill.shared.states import FINAL, MOVES, WAITING, AttemptOutcome, DeadReason, Move, State
from tests.factories import FAILURE, attempts, find, hints, insert_job, letters

SOON: Final = timedelta(minutes=1)
ATTEMPT: Final = 2

# Each returns the number of rows that moved. A claim and an expiry take no attempt: they begin and end a wait.
FENCED: Final[dict[Move, Callable[[Session, UUID, int], int]]] = {
    Move.SUCCEED: lambda session, job, attempt: len(moves.succeed(session, [(job, attempt, {"ok": True})])),
    Move.RETRY: lambda session, job, attempt: moves.retry(session, job, attempt, delay=SOON, failure=FAILURE),
    Move.SNOOZE: lambda session, job, attempt: moves.snooze(session, job, attempt, delay=SOON),
    Move.GIVE_BACK: lambda session, job, attempt: len(moves.give_back(session, [(job, attempt)])),
    Move.KILL: lambda session, job, attempt: moves.kill(
        session, job, attempt, reason=DeadReason.PERMANENT, failure=FAILURE
    ),
    Move.CANCEL: lambda session, job, attempt: moves.cancel(session, job, attempt, reason="no longer wanted"),
}


@pytest.mark.parametrize("attempt", [ATTEMPT, ATTEMPT - 1, ATTEMPT + 1])
@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("move", FENCED)
def test_a_fenced_move_moves_one_row_from_its_states_by_its_attempt_and_nothing_else(
    table_database: Database, move: Move, state: State, attempt: int
) -> None:
    job = insert_job(table_database, state=state, attempt=ATTEMPT)
    sources, target, _ = MOVES[move]
    expected = state in sources and attempt == ATTEMPT
    with table_database.transaction() as session:
        moved = FENCED[move](session, job, attempt)
    assert moved == expected
    assert find(table_database, job).state == (target if expected else state)
    if not expected:
        assert not attempts(table_database, job)
        assert not letters(table_database, job)
        assert not hints(table_database, job)


@pytest.mark.parametrize("state", State)
def test_a_claim_counts_an_attempt_of_a_job_that_waits_and_leaves_any_other_alone(
    table_database: Database, state: State
) -> None:
    job = insert_job(table_database, state=state)
    with table_database.transaction() as session:
        claimed = moves.claim(session, [job], worker="w", lease=5)
    found = find(table_database, job)
    if state in WAITING:
        assert [(each.id, each.attempt) for each in claimed] == [(job, 2)]
        assert (found.state, found.attempt, found.worker) == (State.RUNNING, 2, "w")
        assert found.lease_until is not None
    else:
        assert not claimed
        assert (found.state, found.attempt) == (state, 1)


@pytest.mark.parametrize("state", State)
def test_only_a_job_that_waits_can_expire(table_database: Database, state: State) -> None:
    job = insert_job(table_database, state=state, expires_at=find(table_database, _long_ago(table_database)).run_at)
    with table_database.transaction() as session:
        expired = moves.expire(session, [job])
    assert expired == ({job} if state in WAITING else set())
    if state in WAITING:
        assert find(table_database, job).state == State.DEAD
        assert [letter.reason for letter in letters(table_database, job)] == [DeadReason.EXPIRED]
    else:
        assert find(table_database, job).state == state
        assert not letters(table_database, job)


def _long_ago(database: Database) -> UUID:
    return insert_job(database, state=State.QUEUED)


def test_a_claim_takes_neither_a_job_that_is_not_due_nor_one_that_is_exhausted_nor_one_that_expired(
    table_database: Database,
) -> None:
    database = table_database
    run_at = find(database, insert_job(database, state=State.QUEUED)).run_at
    unfit = [
        insert_job(database, state=State.SCHEDULED, run_at=run_at + timedelta(hours=1)),
        insert_job(database, state=State.RETRYING, attempt=3),
        insert_job(database, state=State.QUEUED, expires_at=run_at),
    ]
    good = insert_job(database, state=State.QUEUED, expires_at=run_at + timedelta(hours=1))
    with database.transaction() as session:
        for one in unfit:
            assert not moves.claim(session, [one], worker="w", lease=5)
        assert [each.id for each in moves.claim(session, [*unfit, good], worker="w", lease=5)] == [good]


@pytest.mark.parametrize(("durable", "commit"), [([], "off"), (["demo.echo", "a.b"], "on"), (["a.b"], "off")])
@pytest.mark.parametrize("count", [1, 2])
def test_a_claim_waits_for_the_disk_where_one_of_its_tasks_must(
    table_database: Database, count: int, durable: list[str], commit: str
) -> None:
    jobs = [insert_job(table_database, state=State.QUEUED, task="demo.echo") for _ in range(count)]
    with table_database.transaction() as session:
        assert len(moves.claim(session, jobs, worker="w", lease=5, durable=durable)) == count
        assert session.execute(text("SHOW synchronous_commit")).scalar_one() == commit


@pytest.mark.parametrize("result", [None, False, {"number": 1}, ["text"]])
@pytest.mark.parametrize("count", [1, 2])
def test_a_result_is_kept_whether_its_job_ends_alone_or_with_others(
    table_database: Database, count: int, result: object
) -> None:
    jobs = [insert_job(table_database, state=State.RUNNING) for _ in range(count)]
    with table_database.transaction() as session:
        assert moves.succeed(session, [(job, 1, result) for job in jobs]) == set(jobs)
        is_null = text("SELECT bool_and(result IS NULL) FROM gristmill.jobs WHERE id = ANY(:ids)")
        assert session.execute(is_null, {"ids": jobs}).scalar_one() is (result is None)
    assert [find(table_database, job).result for job in jobs] == [result] * count


def test_of_many_attempts_those_are_fenced_that_are_still_current(table_database: Database) -> None:
    jobs = [insert_job(table_database, state=State.RUNNING, attempt=ATTEMPT) for _ in range(4)]
    ended = insert_job(table_database, state=State.CANCELLED, attempt=ATTEMPT)
    asked = [(ended, ATTEMPT), *((job, ATTEMPT - number % 2) for number, job in enumerate(jobs))]
    with table_database.transaction() as session:
        assert leases.fence(session, asked, timeout=5) == {jobs[0], jobs[2]}
        with table_database.transaction() as other:
            assert leases.try_lock(other, jobs) == {jobs[1], jobs[3]}, "of the others it takes no lock"
    for attempt, fenced in ((ATTEMPT, {jobs[0]}), (ATTEMPT - 1, set())):
        with table_database.transaction() as session:
            assert leases.fence(session, [(jobs[0], attempt)], timeout=5) == fenced
            assert session.execute(text("SHOW statement_timeout")).scalar_one() == ("5s" if fenced else "30s")


@pytest.mark.parametrize("order", [[0, 1, 2, 3, 4], [4, 3, 2, 1, 0], [3, 0, 4, 1, 2]])
def test_many_succeed_by_one_statement_in_any_order_and_the_caller_is_told_which(
    table_database: Database, order: list[int]
) -> None:
    jobs = [insert_job(table_database, state=State.RUNNING, attempt=1 + number) for number in range(5)]
    ended = insert_job(table_database, state=State.CANCELLED)
    with table_database.transaction() as session:
        done = [(jobs[number], 1 + number, {"number": number}) for number in order]
        assert leases.fence(session, [(job, attempt) for job, attempt, _ in done], timeout=5) == set(jobs)
        assert moves.succeed(session, [(ended, 1, None), *done]) == set(jobs)
    assert [find(table_database, job).result for job in jobs] == [{"number": number} for number in range(5)]


def test_a_retry_keeps_the_error_and_writes_a_hint_for_when_it_is_due(table_database: Database) -> None:
    job = insert_job(table_database, state=State.RUNNING, worker="w")
    with table_database.transaction() as session:
        assert moves.retry(session, job, 1, delay=SOON, failure=FAILURE, outcome=AttemptOutcome.LOST)
    found = find(table_database, job)
    assert (found.state, found.attempt, found.lease_until, found.finished_at) == (State.RETRYING, 1, None, None)
    assert [hint.due_at for hint in hints(table_database, job)] == [found.run_at]
    (attempt,) = attempts(table_database, job)
    assert (attempt.outcome, attempt.worker, attempt.error_code) == ("lost", "w", FAILURE.code)
    assert attempt.error_message == FAILURE.message


def test_a_snooze_does_not_count_against_the_limit(table_database: Database) -> None:
    job = insert_job(table_database, state=State.RUNNING, attempt=3)
    with table_database.transaction() as session:
        assert moves.snooze(session, job, 3, delay=timedelta(0))
    assert find(table_database, job).max_attempts == 4
    with table_database.transaction() as session:
        assert moves.claim(session, [job], worker="w", lease=5)


def test_attempts_that_are_given_back_do_not_count_and_their_numbers_do_not_come_again(
    table_database: Database,
) -> None:
    jobs = [insert_job(table_database, state=State.RUNNING, attempt=3, worker="w") for _ in range(2)]
    unwanted = insert_job(table_database, state=State.RUNNING, cancel_requested_at=func.clock_timestamp())
    with table_database.transaction() as session:
        assert moves.give_back(session, [(jobs[0], 3), (jobs[1], 3), (unwanted, 1)]) == set(jobs)
    for job in jobs:
        found = find(table_database, job)
        assert (found.state, found.attempt, found.max_attempts, found.lease_until) == (State.QUEUED, 3, 4, None)
        assert [hint.due_at for hint in hints(table_database, job)] == [found.run_at]
        assert [(each.attempt, each.outcome, each.worker) for each in attempts(table_database, job)] == [
            (3, "given_back", "w")
        ]
    with table_database.transaction() as session:
        assert {each.attempt for each in moves.claim(session, jobs, worker="w", lease=5)} == {4}


def test_a_kill_writes_the_one_dead_letter_with_its_evidence(table_database: Database) -> None:
    job = insert_job(table_database, state=State.RUNNING)
    with table_database.transaction() as session:
        assert moves.kill(session, job, 1, reason=DeadReason.EXHAUSTED, failure=FAILURE)
        assert not moves.kill(session, job, 1, reason=DeadReason.EXHAUSTED, failure=FAILURE)
    (letter,) = letters(table_database, job)
    assert (letter.reason, letter.error_code, letter.fingerprint) == ("exhausted", FAILURE.code, FAILURE.fingerprint)
    assert (letter.task, letter.queue, letter.attempts) == ("demo.echo", "data_processing_queue", 1)
    assert find(table_database, job).finished_at is not None


def test_every_move_ends_in_one_state_and_a_final_state_is_left_by_redrive_alone() -> None:
    assert set(MOVES) == set(Move)
    for move, transition in MOVES.items():
        if move is not Move.REDRIVE:
            assert not transition.sources & FINAL
    assert MOVES[Move.REDRIVE].sources == {State.DEAD}
    assert MOVES[Move.REDRIVE].targets == {State.QUEUED, State.SCHEDULED}


@pytest.mark.parametrize("start", [0.0, 60.0])
@pytest.mark.parametrize("state", State)
def test_a_redrive_ends_in_the_state_that_the_table_of_moves_has_for_its_time(
    table_database: Database, state: State, start: float
) -> None:
    sources, target, target_until_due = MOVES[Move.REDRIVE]
    job = insert_job(table_database, state=State.RUNNING if state is State.DEAD else state)
    if state is State.DEAD:
        with table_database.transaction() as session:
            assert moves.kill(session, job, 1, reason=DeadReason.PERMANENT, failure=FAILURE)
    with table_database.transaction() as session:
        moved = moves.redrive(session, [job], actor="test", start=start)
    assert [each.id for each in moved] == ([job] if state in sources else [])
    expected = (target_until_due if start else target) if state in sources else state
    assert find(table_database, job).state == expected


@pytest.mark.parametrize("written", ["'queued'", "CASE WHEN attempt > 1 THEN 'dead' ELSE {target} END"])
def test_a_statement_that_writes_a_state_the_table_of_moves_does_not_have_is_refused(written: str) -> None:
    sql = (
        f"UPDATE gristmill.jobs SET state = {written}, run_at = now() WHERE state IN ({{sources}}) RETURNING {{notify}}"
    )
    with pytest.raises(AssertionError, match="snooze"):
        move_statement(Move.SNOOZE, sql)
