"""Errors that a person can do something about, as one plain sentence instead of a traceback."""

import sys

from gristmill.ports import PortInUseError
from gristmill.process import ServiceFailedError


def explain(error: BaseException) -> str | None:
    """Return what to tell the person who called the command; None for a fault of our own, which needs its traceback."""
    if isinstance(error, (PortInUseError, ServiceFailedError)):
        return str(error).strip()
    if isinstance(error, PermissionError) and error.filename:
        return f"{error.filename} may not be used by this user ({error.strerror}): look at who owns it"
    return _explain_ours(error) or _explain_database(error) or _explain_broker(error)


# Only libraries that are loaded already are looked at: an error of one that is not cannot have been raised.


def _explain_ours(error: BaseException) -> str | None:
    errors = sys.modules.get("gristmill.shared.errors")
    if errors is None or not isinstance(error, errors.GristmillError):
        return None
    details = "".join(f"\n  {path}: {problem}" for path, problem in error.details.items())
    return f"{error.message}{details}"


def _explain_database(error: BaseException) -> str | None:
    exc = sys.modules.get("sqlalchemy.exc")
    if exc is None:
        return None
    if isinstance(error, exc.OperationalError):
        return (
            f"Postgres does not answer: {_first_line(error.orig)}. Look at GRISTMILL_DATABASE_URL, or start the "
            "platform here with `gristmill up`; `gristmill doctor` checks all parts"
        )
    if isinstance(error, exc.ProgrammingError):
        return f"The database lacks what this version needs ({_first_line(error.orig)}): run `gristmill db upgrade`"
    return None


def _explain_broker(error: BaseException) -> str | None:
    exceptions = sys.modules.get("kombu.exceptions")
    if exceptions is None or not isinstance(error, exceptions.OperationalError):
        return None
    return f"The broker does not answer: {_first_line(error)}. Look at GRISTMILL_BROKER_URL, or run `gristmill doctor`"


def _first_line(error: object) -> str:
    from gristmill.shared.base.redaction import hide_secrets

    return hide_secrets((str(error).strip() or type(error).__name__).splitlines()[0]).rstrip(".")
