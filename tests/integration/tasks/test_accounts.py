"""Accounts: one person for one address, and a token that only its owner is ever shown."""

import threading
from concurrent.futures import ThreadPoolExecutor
from uuid import UUID

import pytest
from sqlalchemy import select, text
from sqlalchemy.orm import Session
from uuid_utils.compat import uuid7

from gristmill.shared.base.sealing import hash_token
from gristmill.shared.database.connect import Database
from gristmill.shared.jobs.models import Job
from gristmill.shared.outcomes import Discard
from gristmill.shared.people.models import OneTimeToken, User, UserProfile
from gristmill.shared.people.one_time_tokens import reveal_token
from gristmill.shared.people.passwords import password_matches
from tests import platform_tasks as tasks
from tests.contexts import database_context, perform
from tests.eventually import eventually

ADA = {"email": "Ada@Example.com", "password": "Lovelace1", "full_name": "Ada Lovelace"}


def test_a_user_is_created_with_profile_token_and_the_job_of_the_mail(database: Database) -> None:
    job_id = uuid7()
    result = perform(database, tasks.create_user, ADA, job_id=job_id)
    with database.transaction() as session:
        user = session.scalars(select(User)).one()
        profile = session.scalars(select(UserProfile)).one()
        token = session.scalars(select(OneTimeToken)).one()
        mail = session.scalars(select(Job)).one()
        valid = session.execute(text("SELECT expires_at - created_at FROM gristmill.one_time_tokens")).scalar_one()
    assert result == {"user_id": str(user.id)}
    assert (user.email, user.role, user.status, user.email_verified_at) == ("Ada@example.com", "member", "active", None)
    assert password_matches(user.password_hash, "Lovelace1")
    assert (profile.user_id, profile.full_name) == (user.id, "Ada Lovelace")
    assert (token.user_id, token.purpose, token.used_at) == (user.id, "verify_email", None)
    assert abs(valid.total_seconds() - 24 * 3600) < 5
    assert (mail.task, mail.queue, mail.parent_id) == ("email.send", "email_queue", job_id)
    assert mail.args["context"] == {"name": "Ada Lovelace", "token_id": str(token.id)}


def test_neither_the_token_nor_its_hash_nor_the_password_lies_in_the_jobs_arguments(database: Database) -> None:
    perform(database, tasks.create_user, ADA)
    with database.transaction() as session:
        token = session.scalars(select(OneTimeToken)).one()
        args = session.execute(text("SELECT string_agg(CAST(args AS text), ' ') FROM gristmill.jobs")).scalar_one()
    shown = reveal_token(database.settings.secret_key, token.id)
    assert token.token_hash == hash_token(shown)
    assert shown not in args
    assert shown.partition(".")[2] not in args
    assert "Lovelace1" not in args


def test_an_address_that_is_taken_ends_as_email_exists_without_regard_to_case(database: Database) -> None:
    perform(database, tasks.create_user, ADA)
    outcome = perform(database, tasks.create_user, ADA | {"email": "aDA@example.COM"})
    assert isinstance(outcome, Discard)
    assert outcome.code == "EMAIL_EXISTS"
    with database.transaction() as session:
        assert len(session.scalars(select(User)).all()) == 1
        assert len(session.scalars(select(Job)).all()) == 1


def test_of_two_at_once_for_one_address_one_becomes_a_user_and_the_other_email_exists(database: Database) -> None:
    both_inside = threading.Barrier(2)

    def create(_: int) -> dict[str, str] | Discard:
        outcome: dict[str, str] | Discard = perform_past(both_inside, database)
        return outcome

    with ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(create, range(2)))
    created = [outcome for outcome in outcomes if isinstance(outcome, dict)]
    refused = [outcome for outcome in outcomes if isinstance(outcome, Discard)]
    assert [outcome.code for outcome in refused] == ["EMAIL_EXISTS"]
    with database.transaction() as session:
        assert created == [{"user_id": str(session.scalars(select(User.id)).one())}]
        assert len(session.scalars(select(UserProfile)).all()) == 1
        assert len(session.scalars(select(OneTimeToken)).all()) == 1
        assert len(session.scalars(select(Job)).all()) == 1


def perform_past(both_inside: threading.Barrier, database: Database) -> dict[str, str] | Discard:
    """Create Ada in a transaction whose snapshot of the past was taken before the other one wrote anything."""
    task = tasks.create_user
    with database_context(database, task) as context:
        context.session.execute(text("SELECT 1"))
        both_inside.wait(60)
        outcome: dict[str, str] | Discard = task(context, **task.load_args(ADA))
    return outcome


def test_the_address_of_a_deleted_user_is_free_again(database: Database) -> None:
    perform(database, tasks.create_user, ADA)
    with database.transaction() as session:
        session.execute(text("UPDATE gristmill.users SET deleted_at = clock_timestamp()"))
    assert "user_id" in perform(database, tasks.create_user, ADA)


@pytest.mark.parametrize("first_commits", [True, False])
def test_a_twin_waits_for_the_first_to_end_and_only_then_knows(database: Database, first_commits: bool) -> None:
    task = tasks.create_user
    with ThreadPoolExecutor(1) as pool:
        with database_context(database, task) as context:
            task(context, **task.load_args(ADA))
            twin = pool.submit(perform, database, task, ADA)
            eventually(lambda: waits_for_a_lock(database))
            if not first_commits:
                Session.rollback(context.session)
        outcome = twin.result(60)
    assert isinstance(outcome, Discard) is first_commits
    with database.transaction() as session:
        assert len(session.scalars(select(User)).all()) == 1


def waits_for_a_lock(database: Database) -> bool:
    query = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'"
    )
    with database.transaction() as session:
        return bool(session.execute(query).scalar_one() == 1)


class PulledPlugError(Exception):
    """What ends an attempt in its middle."""


def pull_the_plug() -> None:
    raise PulledPlugError


def test_an_attempt_that_fails_leaves_nothing_of_the_account(database: Database) -> None:
    task = tasks.create_user
    with pytest.raises(PulledPlugError), database_context(database, task) as context:  # noqa: PT012  work, then the end
        task(context, **task.load_args(ADA))
        pull_the_plug()
    with database.transaction() as session:
        tables = ("users", "user_profiles", "one_time_tokens", "jobs", "outbox")
        counts = {
            table: session.execute(text(f"SELECT count(*) FROM gristmill.{table}")).scalar_one() for table in tables
        }
    assert counts == dict.fromkeys(tables, 0)


def test_another_verification_is_a_fresh_token_and_a_mail(database: Database) -> None:
    user_id = UUID(perform(database, tasks.create_user, ADA)["user_id"])
    perform(database, tasks.send_verification, {"user_id": str(user_id)})
    with database.transaction() as session:
        tokens = set(session.scalars(select(OneTimeToken.id)))
        jobs = session.scalars(select(Job)).all()
    assert len(tokens) == 2
    assert {UUID(job.args["context"]["token_id"]) for job in jobs} == tokens
    assert {job.args["to"] for job in jobs} == {"Ada@example.com"}


def test_no_verification_for_somebody_unknown_or_verified(database: Database) -> None:
    unknown = perform(database, tasks.send_verification, {"user_id": str(uuid7())})
    assert (type(unknown), unknown.code) == (Discard, "USER_UNKNOWN")
    user_id = perform(database, tasks.create_user, ADA)["user_id"]
    with database.transaction() as session:
        session.execute(text("UPDATE gristmill.users SET email_verified_at = clock_timestamp()"))
    verified = perform(database, tasks.send_verification, {"user_id": user_id})
    assert (type(verified), verified.code) == (Discard, "EMAIL_VERIFIED")
