"""Register, sign in, refresh a session and sign out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn
from uuid import UUID

from gristmill.shared.errors import EmailTakenError, UnauthorizedError
from gristmill.shared.jobs.enqueue import JobOptions, prepare
from gristmill.shared.jobs.find import get_job, list_attempts
from gristmill.shared.jobs.insert import Accepted
from gristmill.shared.people.queries import ShownUser, get_shown_user
from gristmill.shared.people.queries_sessions import find_account
from gristmill.shared.people.sessions import Tokens, begin_session, end_session, renew_session
from gristmill.shared.states import State
from gristmill.shared.task import registry

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from gristmill.ingress.services import Services
    from gristmill.shared.jobs.models import Job
    from gristmill.shared.people.sessions import Person

# One message for an unknown address, a wrong password and an inactive account: it does not reveal who has an account.
_REFUSED: Final = "No active account has this address and password; POST /api/v1/auth/register makes one"
_NOT_VALID: Final = "The refresh token is not valid: it is wrong, used, expired or signed out; POST /api/v1/auth/login"
_TASK: Final = "user.create"
_TAKEN: Final = "EMAIL_EXISTS"  # the error code of the task


def register(services: Services, wanted: Mapping[str, Any], *, traceparent: str | None) -> Accepted:
    """Accept the job that creates an account, and return it after the commit. The job belongs to no producer.

    Raises:
        InvalidArgsError: the address or the password is not valid.
        UnavailableError: the database is away or overloaded.
    """
    args = {name: wanted[name] for name in ("email", "password", "full_name")}
    options = JobOptions(traceparent=traceparent)
    job = prepare(registry.get(_TASK), args, options, secret_key=services.settings.secret_key)
    result = services.acceptor.submit([job])[0]
    if isinstance(result, Exception):
        raise result
    return result


def wait_for_user(services: Services, job_id: UUID, seconds: float) -> ShownUser | None:
    """Return the user whom a job of `register` created; None when it has not succeeded within `seconds`.

    Raises:
        EmailTakenError: a user has this address.
    """
    services.followers.wait(job_id, seconds)
    with services.database.transaction() as session:
        job = get_job(session, job_id)
        if job.state == State.SUCCEEDED:
            made: dict[str, str] = job.result or {}
            return get_shown_user(session, UUID(made["user_id"]))
        if job.state == State.DEAD:
            _refuse_taken(session, job)
    return None


def _refuse_taken(session: Session, job: Job) -> None:
    if any(attempt.error_code == _TAKEN for attempt in list_attempts(session, job.id)):
        msg = f"A user with the address {job.args['email']} exists: POST /api/v1/auth/login"
        raise EmailTakenError(msg)


def sign_in(services: Services, email: str, password: str) -> Tokens:
    """Begin a session of the user with this address and password.

    Raises:
        UnauthorizedError: no active user has both. The answer and its time are the same for every cause.
        UnavailableError: too many people are signing in.
    """
    with services.password_checks.slot() as matches:
        with services.database.transaction() as session:
            account = find_account(session, email)
        if not matches(account.password_hash if account is not None else None, password):
            _refuse(_REFUSED)
    assert account is not None  # noqa: S101  without an account no password matches
    with services.database.transaction() as session:
        tokens = begin_session(session, account, services.settings)
    return tokens or _refuse(_REFUSED)


def refresh(services: Services, refresh_token: str) -> Tokens:
    """Replace both tokens of a session.

    Raises:
        UnauthorizedError: it is not the session's latest refresh token, or the session has ended.
    """
    with services.database.transaction() as session:
        tokens = renew_session(session, refresh_token, services.settings)  # a session that ends here is committed too
    return tokens or _refuse(_NOT_VALID)


def sign_out(services: Services, person: Person) -> None:
    """End a session: in this process at once, in others within `access.key_checks.REMEMBERED` seconds."""
    with services.database.transaction() as session:
        end_session(session, person)
    services.key_checks.forget_session(person.session_id)


def _refuse(message: str) -> NoReturn:
    raise UnauthorizedError(message)
