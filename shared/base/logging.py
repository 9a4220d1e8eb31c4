"""Logs as events with fields: one format for our own lines and those of the libraries, free of secrets."""

from __future__ import annotations

import json
import logging
import re
import sys
from collections.abc import Mapping, MutableMapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor

    from gristmill.shared.settings import Settings

HIDDEN: Final = "***"
_DEEPEST: Final = 6  # levels of a logged value; what lies deeper is shown as text
_SECRET_NAME: Final = re.compile(r"passw(or)?d|secret|token|authorization|api[_-]?key|cookie|credential", re.IGNORECASE)
_URL_PASSWORD: Final = re.compile(r"(\b\w{1,32}://[^:/@\s]*):[^@/\s]+@")  # bounded, or a long word takes minutes
_BEARER: Final = re.compile(r"(?i)\b(bearer|basic)\s+[\w.~+/=-]{8,}")
_API_KEY: Final = re.compile(r"\b(gm_[A-Za-z0-9-]+)_[\w-]{8,}")

# One line for each message or request, or for every look at a queue; our own events say the same with more in them.
_CHATTY: Final = (
    "celery.worker.strategy",
    "amqp",
    "httpx",
    "httpcore",
    "tornado.access",
    "alembic",
)


REQUEST_ID: Final[ContextVar[str | None]] = ContextVar("request_id", default=None)  # of the request that is served


def configure_logging(settings: Settings, process: str) -> None:
    """Send every log line of this process to its standard output, as JSON or readable as `settings.log_format` says.

    Args:
        settings: the level and the format.
        process: what this process is (`web`, `relay`, `worker_email`); a field of each line.
    """
    level = logging.getLevelNamesMapping()[settings.log_level]
    before: list[Processor] = [
        _add_request_id,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _Process(process),
    ]
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *before,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # a library's logger may have been made before this call
    )
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=before,
            processors=[
                structlog.stdlib.ProcessorFormatter.remove_processors_meta,
                structlog.processors.format_exc_info,
                redact,
                _renderer(settings.log_format),
            ],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING) if level > logging.DEBUG else level)
    # A warning with a traceback for each job that ends as a dead letter, which `job.dead` has told already.
    logging.getLogger("celery.app.trace").setLevel(logging.ERROR)
    logging.captureWarnings(capture=True)


def redact(_logger: Any, _method: str, event: EventDict) -> EventDict:
    """Replace what must not be read in a log: values under telling names, and secrets inside of texts."""
    return {str(name): _hide(str(name), value, _DEEPEST) for name, value in event.items()}


def hide_secrets(text: str) -> str:
    """Return `text` without passwords of URLs, bearer tokens and API keys."""
    return _API_KEY.sub(rf"\1_{HIDDEN}", _BEARER.sub(rf"\1 {HIDDEN}", _URL_PASSWORD.sub(rf"\1:{HIDDEN}@", text)))


def _hide(name: str, value: Any, depth: int) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value  # `token_count=3` and `has_password=true` tell no secret
    if _SECRET_NAME.search(name):
        return HIDDEN
    if isinstance(value, Mapping) and depth:
        return {str(key): _hide(str(key), inner, depth - 1) for key, inner in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)) and depth:
        return [_hide("", inner, depth - 1) for inner in value]
    return hide_secrets(value if isinstance(value, str) else str(value))


def _add_request_id(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    request_id = REQUEST_ID.get()
    if request_id is not None:
        event["request_id"] = request_id
    return event


class _Process:
    """Adds which of our processes speaks."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __call__(self, _logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        event.setdefault("process", self._name)
        return event


def _renderer(log_format: str) -> Processor:
    if log_format == "console":
        return structlog.dev.ConsoleRenderer(
            colors=sys.stdout.isatty(),
            # The default shows the local variables of each frame, which may be secrets.
            exception_formatter=structlog.dev.plain_traceback,
        )
    return structlog.processors.JSONRenderer(serializer=_to_json)


def _to_json(event: Any, **_: Any) -> str:
    return json.dumps(event, default=str)  # ASCII only, so that no terminal and no lone surrogate can make it fail
