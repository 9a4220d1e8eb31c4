"""Errors that the platform raises, each with the stable code that a producer sees."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any, ClassVar


class GristmillError(Exception):
    """An error with a stable code. `message` says what was wrong and what to do; `details` holds fields by path."""

    code: ClassVar[str] = "PLATFORM_ERROR_001"

    def __init__(self, message: str, details: Mapping[str, Any] | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.details: dict[str, Any] = dict(details or {})


class SettingsError(GristmillError):
    """The environment lacks a setting or holds a wrong one."""

    code = "SETTINGS_INVALID_001"


class PluginError(GristmillError):
    """A plugin, or something that it declares, cannot be used."""

    code = "PLUGIN_INVALID_001"


class MigrationError(GristmillError):
    """The schema cannot be migrated; nothing was applied."""

    code = "MIGRATION_REFUSED_001"


class NotFoundError(GristmillError):
    """The resource does not exist, or belongs to somebody else."""

    code = "RESOURCE_NOT_FOUND_001"


class JobNotFoundError(NotFoundError):
    """No job has this id."""

    code = "JOB_NOT_FOUND_001"


class InvalidError(GristmillError):
    """A request was understood and cannot be accepted; `details` names each wrong field."""

    code = "REQUEST_INVALID_001"


class FilterTooSlowError(InvalidError):
    """A filter would have to read more rows than there is time for: narrow it, repeating it does not help."""

    code = "FILTER_TOO_SLOW_001"


class UnknownTaskError(InvalidError):
    """No task has this name."""

    code = "TASK_UNKNOWN_001"


class InternalTaskError(InvalidError):
    """The task is enqueued by the platform alone."""

    code = "TASK_INTERNAL_001"


class InvalidArgsError(InvalidError):
    """The arguments do not fit the task's schema."""

    code = "TASK_ARGS_INVALID_001"


class EnqueueError(GristmillError):
    """No job can be enqueued on this connection: it has no transaction, or its database lacks the platform's schema."""

    code = "ENQUEUE_REFUSED_001"


class IdempotencyConflictError(InvalidError):
    """The idempotency key was used before, with another body."""

    code = "IDEMPOTENCY_KEY_REUSED_001"


class ConflictError(GristmillError):
    """The resource is in a state that does not allow this."""

    code = "STATE_CONFLICT_001"


class EmailTakenError(ConflictError):
    """A user who is not deleted has this address."""

    code = "USER_EMAIL_TAKEN_001"


class UnauthorizedError(GristmillError):
    """No credential, or one that is not valid."""

    code = "AUTH_UNAUTHORIZED_001"


class ForbiddenError(GristmillError):
    """The credential is valid and lacks the scope."""

    code = "AUTH_FORBIDDEN_001"


class UnavailableError(GristmillError):
    """A service that the request needs is unavailable or full; try again after `retry_after` seconds."""

    code = "PLATFORM_UNAVAILABLE_001"

    def __init__(self, message: str, *, retry_after: int = 1) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class QuotaExceededError(GristmillError):
    """The producer has as many jobs in flight as it may have; try again when some have ended."""

    code = "QUOTA_EXCEEDED_001"
    retry_after = 5  # seconds; nobody knows when a job will end, and each try costs a count


class TaskDefinitionError(GristmillError):
    """A `@task` was refused at import; the message holds the cure."""

    code = "TASK_DEFINITION_001"


class TransientError(GristmillError):
    """Raised by a handler: this attempt failed, a later one may not.

    Args:
        retry_after: the shortest wait before the next attempt, when the other side named one.
    """

    code = "TASK_TRANSIENT_001"

    def __init__(self, message: str, *, code: str | None = None, retry_after: timedelta | None = None) -> None:
        super().__init__(message)
        self.error_code = code or self.code
        self.retry_after = retry_after


class PermanentError(GristmillError):
    """Raised by a handler: no later attempt can succeed; the job ends as a dead letter now."""

    code = "TASK_PERMANENT_001"

    def __init__(self, message: str, *, code: str | None = None) -> None:
        super().__init__(message)
        self.error_code = code or self.code


class WorkerLostError(GristmillError):
    """The worker of this attempt is gone: killed, out of memory, or past its hard time limit."""

    code = "WORKER_LOST_001"


class FenceLostError(GristmillError):
    """This attempt is no longer the job's current one: its effects are rolled back, and another attempt continues."""

    code = "ATTEMPT_FENCED_001"
