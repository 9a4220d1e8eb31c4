"""How people get in: register, sign in, go on, sign out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, NoReturn
from uuid import UUID

from gristmill import tasks
from gristmill.shared.errors import EmailTakenError, UnauthorizedError
from gristmill.shared.jobs.enqueue import JobOptions, prepare
from gristmill.shared.jobs.find import get_job, list_attempts
from gristmill.shared.jobs.insert import Accepted
from gristmill.shared.people.queries import ShownUser, get_shown_user
from gristmill.shared.people.queries_sessions import find_account
from gristmill.shared.people.sessions import Tokens, begin_session, end_session, renew_session
from gristmill.shared.states import State

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sqlalchemy.orm import Session

    from gristmill.ingress.services import Services
    from gristmill.shared.jobs.models import Job
    from gristmill.shared.people.sessions import Person

# One sentence for an unknown address, a wrong password and an account that is not active: nobody learns who is here.
_REFUSED: Final = "No active account has this address and password; POST /api/v1/auth/register makes one"
_NOT_GOOD: Final = "The refresh token is not valid: wrong, used before, over, or signed out; POST /api/v1/auth/login"
_TAKEN: Final = "EMAIL_EXISTS"  # the code that the task ends with


def register(services: Services, wanted: Mapping[str, Any], *, traceparent: str | None) -> Accepted:
    """Accept the job that creates the account, and return it after the commit. It belongs to no producer.

    Raises:
        InvalidArgsError: the address or the password is none.
        UnavailableError: the database is away or has too much to do.
    """
    args = {name: wanted[name] for name in ("email", "password", "full_name")}
    options = JobOptions(traceparent=traceparent)
    job = prepare(tasks.create_user, args, options, secret_key=services.settings.secret_key)
    result = services.acceptor.submit([job])[0]
    if isinstance(result, Exception):
        raise result
    return result


def wait_for_user(services: Services, job_id: UUID, seconds: float) -> ShownUser | None:
    """Return who was created by a job of `register`; None when it has not ended well after `seconds`.

    Raises:
        EmailTakenError: somebody has this address.
    """
    services.waiters.wait(job_id, seconds)
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
    """Begin a session of the person who has this address and password.

    Raises:
        UnauthorizedError: nobody has, or they are not active: the same for all of these, after the same time.
        UnavailableError: too many are signing in.
    """
    with services.passwords.place() as matches:
        with services.database.transaction() as session:
            account = find_account(session, email)
        if not matches(account.password_hash if account is not None else None, password):
            _refuse(_REFUSED)
    assert account is not None  # noqa: S101  nothing matches nobody's password
    with services.database.transaction() as session:
        tokens = begin_session(session, account, services.settings)
    return tokens or _refuse(_REFUSED)


def go_on(services: Services, refresh_token: str) -> Tokens:
    """Replace the tokens of a session.

    Raises:
        UnauthorizedError: the token is not the session's newest, or the session has ended.
    """
    with services.database.transaction() as session:
        tokens = renew_session(session, refresh_token, services.settings)  # what it ends is committed all the same
    return tokens or _refuse(_NOT_GOOD)


def sign_out(services: Services, person: Person) -> None:
    """End a session: here at once, in other processes within `access.authenticate.REMEMBERED` seconds."""
    with services.database.transaction() as session:
        end_session(session, person)
    services.keys.forget_session(person.session_id)


def _refuse(message: str) -> NoReturn:
    raise UnauthorizedError(message)
