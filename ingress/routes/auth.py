"""Routes to register, sign in, refresh a session and sign out."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, cast

from flask import Response, current_app, request

from gristmill.ingress.accepting.accept_job import read_traceparent
from gristmill.ingress.accepting.accepted_job import show_accepted
from gristmill.ingress.access import sign_in as sessions
from gristmill.ingress.access.access_rules import public, signed_in
from gristmill.ingress.access.authenticate import current_person
from gristmill.ingress.access.rate_counters import RateCounters
from gristmill.ingress.access.rate_limits import TOO_OFTEN, limited
from gristmill.ingress.http.api import PREFIX, Blueprint
from gristmill.ingress.http.prefer import PREFER, read_wait
from gristmill.ingress.schemas.errors import ErrorEnvelope
from gristmill.ingress.schemas.jobs import AcceptedJob
from gristmill.ingress.schemas.people import LoginRequest, RefreshRequest, RegisterRequest, TokensAnswer, UserAnswer
from gristmill.ingress.services import services

if TYPE_CHECKING:
    from gristmill.shared.people.sessions import Tokens

blueprint = Blueprint("auth", __name__, url_prefix=PREFIX, description="Registration, sign-in and sign-out of people.")

_DAY: Final = 86_400  # seconds
_LOCATION: Final = {"Location": {"schema": {"type": "string"}, "description": "The URL of the job, or of the user."}}
_WAITED: Final = {
    "Preference-Applied": {"schema": {"type": "string"}, "description": "The longest wait that was applied: `wait=10`."}
}


@blueprint.route("/auth/register", methods=["POST"])
@public
@limited(RateCounters.count_registration, "registrations")
@blueprint.arguments(RegisterRequest())
@blueprint.response(202, AcceptedJob, headers=_LOCATION, description="Accepted: a job creates the account.")
@blueprint.alt_response(
    201, schema=UserAnswer, headers=_LOCATION | _WAITED, description="With `Prefer: wait`: the user was created."
)
@blueprint.alt_response(409, schema=ErrorEnvelope, description="With `Prefer: wait`: a user with this address exists.")
@blueprint.alt_response(429, schema=ErrorEnvelope, description=TOO_OFTEN)
@blueprint.doc(parameters=[PREFER], operationId="register")
def register_somebody(wanted: dict[str, Any]) -> Response:
    """Register a user.

    A job creates the account. With `Prefer: wait=10` the answer is the user, or 409 if a user with this address exists.
    Without it the answer does not reveal whether an account exists.
    """
    accepted = sessions.register(services(), wanted, traceparent=read_traceparent(request.headers.get("traceparent")))
    seconds = read_wait(request.headers.get("Prefer"))
    user = sessions.wait_for_user(services(), accepted.id, seconds) if seconds is not None else None
    shown = show_accepted(accepted) if user is None else UserAnswer().dump(user)
    answer = cast("Response", current_app.json.response(shown))
    answer.status_code = 202 if user is None else 201
    answer.headers["Location"] = f"{PREFIX}/jobs/{accepted.id}" if user is None else f"{PREFIX}/users/me"
    if seconds is not None:
        answer.headers["Preference-Applied"] = f"wait={seconds:.0f}"
    return answer


@blueprint.route("/auth/login", methods=["POST"])
@public
@limited(RateCounters.count_login, "sign-ins")
@blueprint.arguments(LoginRequest())
@blueprint.response(200, TokensAnswer)
@blueprint.alt_response(401, schema=ErrorEnvelope, description="No active account has this address and password.")
@blueprint.alt_response(429, schema=ErrorEnvelope, description=TOO_OFTEN)
@blueprint.doc(operationId="login")
def login(wanted: dict[str, Any]) -> dict[str, Any]:
    """Sign in.

    The access token is valid for `expires_in` seconds; refresh it with the refresh token. The answer to a wrong
    password is the same as to an unknown address or an inactive account.
    """
    return _show(sessions.sign_in(services(), wanted["email"], wanted["password"]))


@blueprint.route("/auth/refresh", methods=["POST"])
@public
@blueprint.arguments(RefreshRequest())
@blueprint.response(200, TokensAnswer)
@blueprint.alt_response(401, schema=ErrorEnvelope, description="It is not the latest refresh token of a session.")
@blueprint.doc(operationId="refresh")
def refresh(wanted: dict[str, Any]) -> dict[str, Any]:
    """Refresh the access token.

    Returns a new refresh token too, because each can be used once. Using one again ends the session: somebody else may
    have it.
    """
    return _show(sessions.refresh(services(), wanted["refresh_token"]))


@blueprint.route("/auth/logout", methods=["POST"])
@signed_in
@blueprint.response(204, description="The session has ended. All its tokens are revoked within seconds.")
@blueprint.doc(operationId="logout")
def logout() -> None:
    """Sign out."""
    sessions.sign_out(services(), current_person())


def _show(tokens: Tokens) -> dict[str, Any]:
    settings = services().settings
    return {
        "access_token": tokens.access_token,
        "token_type": "Bearer",
        "expires_in": settings.access_token_seconds,
        "refresh_token": tokens.refresh_token,
        "refresh_expires_in": settings.refresh_token_days * _DAY,
    }
