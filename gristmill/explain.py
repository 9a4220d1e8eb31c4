"""Explain errors that a person can mend, in a plain sentence instead of a traceback."""

import sys
from typing import Any, Final

_MIGRATING: Final = frozenset({"db upgrade", "up"})  # commands that change the schema themselves
_PROBLEMS: Final = {
    ("sqlalchemy.exc", "OperationalError"): "Postgres does not answer",
    ("sqlalchemy.exc", "ProgrammingError"): "The database refused a statement",
    ("kombu.exceptions", "OperationalError"): "The broker does not answer",
}


def explain(error: BaseException, *, running: str = "") -> str | None:
    """Return a message for the person who called the command; None for a fault of our own, which needs its traceback.

    Args:
        error: What was raised.
        running: The command that was called, such as `db upgrade`; it is never advised.
    """
    problem = describe(error)
    if problem is None:
        return None
    advice = _advise(error, running)
    if advice:
        return f"{problem}. {advice}"
    first, *more = problem.splitlines() or [""]
    return "\n".join([first, *(line for line in more if not line.startswith(f"`gristmill {running}`"))])


def describe(error: Any) -> str | None:
    """Return what went wrong, without advice of ours; None for a fault of our own."""
    if _is_a("gristmill.ports", "PortInUseError", error) or _is_a("gristmill.process", "ServiceFailedError", error):
        return str(error).strip()
    if isinstance(error, PermissionError) and error.filename:
        return f"{error.filename} may not be used by this user ({error.strerror}): check who owns it"
    if _is_a("gristmill.shared.errors", "GristmillError", error):
        details = "".join(f"\n  {path}: {_told(problem)}" for path, problem in error.details.items())
        return f"{error.message}{details}"
    for (module, name), problem in _PROBLEMS.items():
        if _is_a(module, name, error):
            return f"{problem}: {_first_line(getattr(error, 'orig', error))}"
    return None


def may_pass(error: Exception) -> bool:
    """Return whether an error may be gone a moment later, as that of a server that starts again."""
    if _is_a("gristmill.backends.over_http", "UnreachableError", error):
        return True
    if _is_a("gristmill.shared.errors", "UnavailableError", error):
        return True
    return _is_a("sqlalchemy.exc", "OperationalError", error)


def _told(problem: object) -> str:
    return " ".join(map(str, problem)) if isinstance(problem, (list, tuple)) else str(problem)


def _advise(error: object, running: str) -> str:
    if _is_a("sqlalchemy.exc", "OperationalError", error):
        start = "" if running == "up" else ", or start the platform here with `gristmill up`"
        return f"Check GRISTMILL_DATABASE_URL{start}{_doctor(running, '; `gristmill doctor` checks all parts')}"
    if _is_a("sqlalchemy.exc", "ProgrammingError", error):
        if running in _MIGRATING:
            return (
                "Nothing of the failed migration is kept. Check that the user of GRISTMILL_DATABASE_URL may create "
                "tables, and that the database holds no tables of another program"
            )
        return "It may lack what this version needs: run `gristmill db upgrade`"
    if _is_a("kombu.exceptions", "OperationalError", error):
        return f"Check GRISTMILL_BROKER_URL{_doctor(running, ', or run `gristmill doctor`')}"
    return ""


def _doctor(running: str, advice: str) -> str:
    return "" if running == "doctor" else advice


def _is_a(module: str, name: str, error: object) -> bool:
    """Return whether an error is of a class of a module; one that is not loaded cannot have raised it."""
    loaded = sys.modules.get(module)
    return loaded is not None and isinstance(error, getattr(loaded, name))


def _first_line(error: object) -> str:
    from gristmill.shared.base.redaction import hide_secrets

    return hide_secrets((str(error).strip() or type(error).__name__).splitlines()[0]).rstrip(".")
