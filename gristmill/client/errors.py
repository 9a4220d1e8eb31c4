"""The exceptions of the client, by kind of failure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any


class ClientError(Exception):
    """The base of all errors of the client.

    Attributes:
        may_have_arrived: the API may have done what was asked, and its answer was lost.
    """

    may_have_arrived = False


class UnreachableError(ClientError):
    """The API gave no answer within the patience of the client."""


class NotSpooledError(UnreachableError):
    """The API gave no answer in time, and the job is not kept in the spool, because it has secret arguments.

    Attributes:
        task: the name of the task.
        secret: the names of the secret arguments.
    """

    def __init__(self, task: str, secret: Sequence[str], reason: Exception) -> None:
        super().__init__(
            f"The job was not accepted: {reason}. It is not kept in the spool either, because {', '.join(secret)} of "
            f"{task} is secret, and must not be on this disk: post it again later, with the same idempotency_key"
        )
        self.task = task
        self.secret = tuple(secret)


class SpoolError(ClientError):
    """The local spool cannot be used: its folder is open to others, its disk is full, its file is damaged."""


class SpoolFullError(SpoolError):
    """The local spool holds as much as it may; nothing was stored."""


class UnsureError(SpoolError):
    """A spooled job was sent without an answer, and its idempotency key has expired: only you can tell if it exists."""


class ApiError(ClientError):
    """The API refused a request.

    Attributes:
        status: the HTTP status; 0 for an entry of a batch.
        code: a stable code for programs, such as `TASK_ARGS_INVALID_001`; `HTTP_<status>` when a proxy answered.
        message: the reason and the remedy, in one sentence.
        details: the problems, by the path of the field.
        request_id: the id to quote to the operators.
    """

    def __init__(
        self, *, status: int, code: str, message: str, details: Mapping[str, Any], request_id: str | None
    ) -> None:
        super().__init__(f"{code}: {message}" + (f" {dict(details)}" if details else ""))
        self.status = status
        self.code = code
        self.message = message
        self.details = dict(details)
        self.request_id = request_id

    @property
    def is_from_api(self) -> bool:
        """True when the API itself refused the request, and not a proxy before it."""
        return not self.code.startswith("HTTP_")


class InvalidError(ApiError):
    """The request is malformed, too large or invalid (400, 413, 415, 422): do not send it again unchanged."""


class UnauthorizedError(ApiError):
    """The key is missing or not valid (401)."""


class ForbiddenError(ApiError):
    """The key lacks a scope, or may not post this task (403)."""


class NotFoundError(ApiError):
    """There is no such thing, or it belongs to another producer (404)."""


class ConflictError(ApiError):
    """The state of the job does not allow the request (409)."""


class TooManyError(ApiError):
    """A rate limit or a quota is used up (429), and still was when the client's patience ended."""


class UnavailableError(ApiError):
    """The platform is up, but cannot answer now (5xx), and still could not when the client's patience ended."""


_BY_STATUS = {
    401: UnauthorizedError,
    403: ForbiddenError,
    404: NotFoundError,
    409: ConflictError,
    429: TooManyError,
}
# An entry of a batch has no status: these codes mean that the entry may be accepted later.
_LATER = {"QUOTA_EXCEEDED_001": TooManyError, "PLATFORM_UNAVAILABLE_001": UnavailableError}
_FIRST_SERVER_ERROR = 500


def error_of(status: int, body: Any) -> ApiError:
    """Return the exception for an answer with this status and JSON body (anything, when a proxy answered)."""
    error = body.get("error") if isinstance(body, dict) else None
    error = error if isinstance(error, dict) else {}
    code = str(error.get("code") or f"HTTP_{status}")
    if status >= _FIRST_SERVER_ERROR:
        kind: type[ApiError] = UnavailableError
    else:
        kind = _BY_STATUS.get(status) or _LATER.get(code) or InvalidError
    details = error.get("details")
    return kind(
        status=status,
        code=code,
        message=str(error.get("message") or "the answer says no more"),
        details=details if isinstance(details, dict) else {},
        request_id=error.get("request_id"),
    )
