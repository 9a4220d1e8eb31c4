"""Redrive and discard: a dead letter is resolved once, its job runs again with its history, many go at a rate."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import pairwise
from typing import Any
from uuid import UUID

import pytest
from marshmallow import Schema, fields
from sqlalchemy import select

import tests.platform_tasks  # noqa: F401  fills the registry
from gristmill.shared.audit.models import AuditEntry
from gristmill.shared.audit.queries import list_acts
from gristmill.shared.base.sealing import unseal
from gristmill.shared.context import Context
from gristmill.shared.database.bounded_count import Count
from gristmill.shared.database.connect import Database
from gristmill.shared.dead_letters.filter import choose_letters
from gristmill.shared.dead_letters.models import DeadLetter
from gristmill.shared.dead_letters.queries import count_letters, list_letters
from gristmill.shared.dead_letters.queries_groups import list_groups
from gristmill.shared.dead_letters.redrive import discard_one, redrive_one
from gristmill.shared.dead_letters.redrive_many import redrive_matching
from gristmill.shared.errors import ConflictError, InvalidArgsError, NotFoundError, UnknownTaskError
from gristmill.shared.filters.specification import Specification
from gristmill.shared.jobs import moves
from gristmill.shared.jobs.enqueue import JobOptions
from gristmill.shared.jobs.models import Job, Outbox
from gristmill.shared.states import DeadReason, State
from tests.factories import FAILURE, attempts, begin, change, declared, find, hints, insert_job, letters, post, state

ME = "cli:ada"


def die(database: Database, job_id: UUID, *, reason: DeadReason = DeadReason.EXHAUSTED) -> UUID:
    """Let a job that waits fail for good; returns the id of its letter."""
    change(
        database, "UPDATE gristmill.jobs SET run_at = clock_timestamp() WHERE id = :id AND state <> 'dead'", id=job_id
    )
    change(database, "DELETE FROM gristmill.outbox WHERE job_id = :id", id=job_id)
    (claimed,) = begin(database, job_id)
    with database.transaction() as session:
        assert moves.kill(session, job_id, claimed.attempt, reason=reason, failure=FAILURE)
    return open_letter(database, job_id)


def open_letter(database: Database, job_id: UUID) -> UUID:
    (letter,) = [each for each in letters(database, job_id) if each.resolution is None]
    return letter.id


def redrive(database: Database, letter: UUID, args: dict[str, Any] | None = None) -> Job:
    with database.transaction() as session:
        return redrive_one(session, letter, actor=ME, args=args)


def test_a_redriven_job_waits_again_with_its_history_and_a_fresh_budget(database: Database) -> None:
    job = post(database, "demo.echo", JobOptions(max_attempts=5), message="x")
    (claimed,) = begin(database, job)
    with database.transaction() as session:
        assert moves.retry(session, job, claimed.attempt, delay=timedelta(0), failure=FAILURE)
    letter = die(database, job)
    before = find(database, job).expires_at
    redriven = redrive(database, letter)
    assert (redriven.state, redriven.attempt, redriven.max_attempts) == (State.QUEUED, 2, 7)
    assert (redriven.finished_at, redriven.result, redriven.cancel_requested_at) == (None, None, None)
    assert before is not None
    assert redriven.expires_at == redriven.run_at + timedelta(hours=6)
    assert redriven.expires_at > before
    assert [hint.due_at for hint in hints(database, job)] == [redriven.run_at]
    assert [each.attempt for each in attempts(database, job)] == [1, 2]
    (kept,) = letters(database, job)
    assert (kept.resolution, kept.resolved_by, kept.error_code) == ("redriven", ME, FAILURE.code)
    assert [each.attempt for each in begin(database, job)] == [3]


def test_the_budget_stays_what_the_job_was_given_however_often_it_snoozes_and_dies(database: Database) -> None:
    job = post(database, "demo.echo", JobOptions(max_attempts=2), message="x")
    for _ in range(3):
        for _ in range(2):
            (claimed,) = begin(database, job)
            with database.transaction() as session:
                assert moves.snooze(session, job, claimed.attempt, delay=timedelta(0))
        redriven = redrive(database, die(database, job))
        assert redriven.max_attempts - redriven.attempt == 2


def test_a_job_without_a_time_to_live_gets_none(database: Database) -> None:
    job = insert_job(database, state=State.QUEUED, queue="user_queue")
    assert redrive(database, die(database, job)).expires_at is None


def test_a_job_that_killed_its_workers_goes_alone(database: Database) -> None:
    for reason, alone in ((DeadReason.CRASH_LOOP, True), (DeadReason.EXHAUSTED, False)):
        job = post(database, "demo.echo", message="x")
        redrive(database, die(database, job, reason=reason))
        assert [hint.alone for hint in hints(database, job)] == [alone]


def test_a_second_redrive_says_that_there_is_nothing_left_to_do(database: Database) -> None:
    job = post(database, "demo.echo", message="x")
    letter = die(database, job)
    redrive(database, letter)
    with pytest.raises(ConflictError, match=r"was redriven on .* by cli:ada"):
        redrive(database, letter)
    assert len(hints(database, job)) == 1


def test_two_redrives_at_once_are_one(database: Database) -> None:
    for _ in range(5):
        job = post(database, "demo.echo", message="x")
        letter = die(database, job)

        def try_it(_: int, letter: UUID = letter) -> bool:
            try:
                redrive(database, letter)
            except ConflictError:
                return False
            return True

        with ThreadPoolExecutor(4) as threads:
            assert sorted(threads.map(try_it, range(4))) == [False, False, False, True]
        assert len(hints(database, job)) == 1
        assert len(acts(database, f"dead_letter:{letter}")) == 1


def test_of_a_redrive_and_a_discard_at_once_one_wins(database: Database) -> None:
    for _ in range(5):
        job = post(database, "demo.echo", message="x")
        letter = die(database, job)

        def act(kind: str, letter: UUID = letter) -> bool:
            try:
                with database.transaction() as session:
                    if kind == "redrive":
                        redrive_one(session, letter, actor=ME)
                    else:
                        discard_one(session, letter, actor=ME, reason="no use")
            except ConflictError:
                return False
            return True

        with ThreadPoolExecutor(2) as threads:
            won = dict(zip(("redrive", "discard"), threads.map(act, ("redrive", "discard")), strict=True))
        assert sorted(won.values()) == [False, True]
        (kept,) = letters(database, job)
        assert (kept.resolution, state(database, job)) == (
            ("redriven", State.QUEUED) if won["redrive"] else ("discarded", State.DEAD)
        )


def test_a_live_twin_by_unique_key_refuses_the_redrive_and_nothing_changes(database: Database) -> None:
    options = JobOptions(unique_key="one")
    job = post(database, "demo.echo", options, message="x")
    letter = die(database, job)
    twin = post(database, "demo.echo", options, message="x")
    with pytest.raises(ConflictError, match="unique key"):
        redrive(database, letter)
    assert (state(database, job), state(database, twin)) == (State.DEAD, State.QUEUED)
    assert open_letter(database, job) == letter
    assert not acts(database, f"dead_letter:{letter}")


def test_corrected_arguments_are_checked_and_take_the_place_of_the_old(database: Database) -> None:
    job = post(database, "demo.echo", message="wrong")
    letter = die(database, job)
    with pytest.raises(InvalidArgsError) as refused:
        redrive(database, letter, args={"massage": "right"})
    assert set(refused.value.details) == {"args.massage", "args.message"}
    assert (state(database, job), find(database, job).args) == (State.DEAD, {"message": "wrong"})
    assert redrive(database, letter, args={"message": "right"}).args == {"message": "right"}
    (act,) = acts(database, f"dead_letter:{letter}")
    assert (act.actor, act.action) == (ME, "dead_letter.redrive")
    assert act.details == {"job": str(job), "corrected": ["message"]}


class SecretArgs(Schema):
    user = fields.String(required=True)
    password = fields.String(required=True, metadata={"secret": True})


def log_in(ctx: Context, *, user: str, password: str) -> None:
    del ctx, user, password


@pytest.mark.parametrize(("given", "stored"), [("[sealed]", "Hush-1"), ("Hush-2", "Hush-2")])
def test_a_corrected_secret_is_sealed_and_one_given_as_it_is_shown_stays(
    database: Database, given: str, stored: str
) -> None:
    with declared(log_in, args=SecretArgs) as task:
        job = post(database, task, user="aad", password="Hush-1")
        args = redrive(database, die(database, job), args={"user": "ada", "password": given}).args
        assert "Hush" not in str(args)
        opened = unseal(database.settings.secret_key, args, task.secret_args)
        assert opened == {"user": "ada", "password": stored}


def test_what_cannot_be_redriven_is_refused_with_a_reason(database: Database) -> None:
    gone = insert_job(database, state=State.QUEUED, task="gone.task")
    with pytest.raises(UnknownTaskError, match=r"gone\.task"):
        redrive(database, die(database, gone))
    change(
        database,
        "INSERT INTO gristmill.dead_letters (id, queue, reason, fingerprint, raw_body) "
        "VALUES (gen_random_uuid(), 'email_queue', 'malformed', 'm', 'x')",
    )
    with database.transaction() as session:
        (malformed,) = list_letters(session, choose_letters(reason="malformed"), limit=2)
    with pytest.raises(ConflictError, match="never was a job"):
        redrive(database, malformed.id)
    with pytest.raises(NotFoundError):
        redrive(database, gone)


def test_a_discarded_letter_keeps_its_reason_and_its_job_stays_dead(database: Database) -> None:
    job = post(database, "demo.echo", message="x")
    letter = die(database, job)
    with database.transaction() as session:
        kept = discard_one(session, letter, actor=ME, reason="the customer left")
    assert (kept.resolution, kept.resolved_by, kept.note) == ("discarded", ME, "the customer left")
    assert state(database, job) == State.DEAD
    with database.transaction() as session, pytest.raises(ConflictError, match="was discarded"):
        discard_one(session, letter, actor=ME, reason="again")
    with pytest.raises(ConflictError, match="was discarded"):
        redrive(database, letter)
    assert [act.details["reason"] for act in acts(database, f"dead_letter:{letter}")] == ["the customer left"]


def die_many(database: Database, number: int) -> None:
    """Write dead jobs with their letters, by statements."""
    change(
        database,
        """
        WITH made AS (
            INSERT INTO gristmill.jobs (id, task, queue, args, state, attempt, max_attempts, run_at, finished_at)
            SELECT gen_random_uuid(), 'demo.echo', 'data_processing_queue', '{"message": "x"}', 'dead', 3, 3,
                   clock_timestamp(), clock_timestamp()
            FROM generate_series(1, :number) RETURNING id, task, queue
        )
        INSERT INTO gristmill.dead_letters (id, job_id, task, queue, reason, fingerprint, attempts)
        SELECT gen_random_uuid(), id, task, queue, 'exhausted', 'same', 3 FROM made
        """,
        number=number,
    )


def test_a_thousand_go_at_a_rate_oldest_first(database: Database) -> None:
    die_many(database, 1000)
    done = [progress.redriven for progress in redrive_matching(database, choose_letters(), actor=ME, rate=10)]
    assert done == [300, 600, 900, 1000]
    with database.transaction() as session:
        query = select(Job.run_at, Job.state).join(Outbox, (Outbox.job_id == Job.id) & (Outbox.due_at == Job.run_at))
        rows = session.execute(query.order_by(Job.run_at)).all()
        assert count_letters(session, choose_letters()) == Count(0, more=False)
    assert len(rows) == 1000
    assert [row.state for row in rows] == ["queued"] + ["scheduled"] * 999
    gaps = [later.run_at - sooner.run_at for sooner, later in pairwise(rows)]
    assert min(gaps) >= timedelta(seconds=0.099)
    assert rows[-1].run_at - rows[0].run_at >= timedelta(seconds=99)
    batches = acts(database, "dead_letters")
    assert [act.details["redriven"] for act in reversed(batches)] == [300, 300, 300, 100]
    assert batches[0].details["rate"] == 10


def test_a_filter_chooses_and_a_limit_ends(database: Database) -> None:
    die_many(database, 5)
    other = die(database, post(database, "demo.fail", times=-1))
    *_, progress = redrive_matching(database, choose_letters(task="demo.fail"), actor=ME)
    assert (progress.redriven, progress.more) == (1, False)
    assert other not in {letter.id for letter in listed(database, choose_letters())}
    *_, progress = redrive_matching(database, choose_letters(fingerprint="same"), actor=ME, limit=2)
    assert (progress.redriven, progress.more) == (2, True)
    *_, progress = redrive_matching(database, choose_letters(), actor=ME)
    assert (progress.redriven, progress.more) == (3, False)


def test_many_skip_what_cannot_run_and_say_why(database: Database) -> None:
    options = JobOptions(unique_key="one")
    for _ in range(3):
        die(database, post(database, "demo.echo", options, message="x"))
    die(database, insert_job(database, state=State.QUEUED, task="gone.task"))
    *_, progress = redrive_matching(database, choose_letters(), actor=ME)
    assert progress.redriven == 1
    assert progress.skipped == {"unique_key": 2, "unknown_task": 1}
    assert len(listed(database, choose_letters())) == 3


def test_two_that_redrive_many_at_once_share_them(database: Database) -> None:
    die_many(database, 1000)

    def run(actor: str) -> int:
        return list(redrive_matching(database, choose_letters(), actor=actor))[-1].redriven

    with ThreadPoolExecutor(2) as threads:
        assert sum(threads.map(run, ["one", "two"])) == 1000
    assert len(hints(database)) == 1000


def test_letters_are_grouped_by_how_they_failed_with_the_latest_as_sample(database: Database) -> None:
    die_many(database, 3)
    latest = die(database, post(database, "demo.fail", times=-1))
    with database.transaction() as session:
        groups = list_groups(session, choose_letters(), limit=10)
    assert [(group.task, group.fingerprint, group.count) for group in groups] == [
        ("demo.echo", "same", 3),
        ("demo.fail", FAILURE.fingerprint, 1),
    ]
    assert groups[0].first_seen < groups[0].last_seen
    assert (groups[1].sample.id, groups[1].sample.error_message) == (latest, FAILURE.message)


def test_a_list_goes_on_where_its_page_ended_also_when_ids_do_not_tell_the_age(database: Database) -> None:
    die_many(database, 7)
    newest = die(database, post(database, "demo.echo", message="x"))
    with database.transaction() as session:
        pages = [list_letters(session, choose_letters(), limit=3)]
        while len(pages[-1]) == 3:
            pages.append(list_letters(session, choose_letters(), limit=3, before=pages[-1][-1].id))
    ages = [letter.created_at for page in pages for letter in page]
    assert ages == sorted(ages, reverse=True)
    assert len({letter.id for page in pages for letter in page}) == 8
    assert pages[0][0].id == newest


def listed(database: Database, wanted: Specification) -> list[DeadLetter]:
    with database.transaction() as session:
        return list(list_letters(session, wanted, limit=100))


def acts(database: Database, subject: str) -> list[AuditEntry]:
    with database.transaction() as session:
        return list(list_acts(session, subject))
