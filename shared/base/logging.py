"""Write logs as events with fields, in one format for our own lines and those of the libraries, without secrets."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import MutableMapping
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Final

import structlog

from gristmill.shared.base.redaction import redact

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor

    from gristmill.shared.settings import Settings

# They write a line for each message or request. Our own events say the same and more.
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
        process: the name of this process (`web`, `relay`, `worker_email`); a field of each line.
    """
    level = logging.getLevelNamesMapping()[settings.log_level]
    fields = _add_fields(process)
    _configure_structlog(fields)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_formatter(fields, settings.log_format))
    root = logging.getLogger()
    root.handlers[:] = [handler]
    root.setLevel(level)
    _quieten_libraries(level)
    logging.captureWarnings(capture=True)


def _add_fields(process: str) -> list[Processor]:
    """Return the processors that add the fields which each line has, ours and those of the libraries."""
    return [
        _add_request_id,
        structlog.stdlib.add_log_level,
        structlog.stdlib.add_logger_name,
        structlog.stdlib.ExtraAdder(),
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _AddProcess(process),
    ]


def _configure_structlog(fields: list[Processor]) -> None:
    structlog.configure(
        processors=[
            structlog.stdlib.filter_by_level,
            structlog.stdlib.PositionalArgumentsFormatter(),
            *fields,
            structlog.stdlib.ProcessorFormatter.wrap_for_formatter,
        ],
        wrapper_class=structlog.stdlib.BoundLogger,
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=False,  # a library's logger may have been made before this call
    )


def _formatter(fields: list[Processor], log_format: str) -> logging.Formatter:
    return structlog.stdlib.ProcessorFormatter(
        foreign_pre_chain=fields,
        processors=[
            structlog.stdlib.ProcessorFormatter.remove_processors_meta,
            structlog.processors.format_exc_info,
            _redact_event,
            _renderer(log_format),
        ],
    )


def _quieten_libraries(level: int) -> None:
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING) if level > logging.DEBUG else level)
    # A warning with a traceback for each job that ends as a dead letter, which `job.dead` has told already.
    logging.getLogger("celery.app.trace").setLevel(logging.ERROR)


def _redact_event(_logger: Any, _method: str, event: EventDict) -> EventDict:
    return redact(event)


def _add_request_id(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    request_id = REQUEST_ID.get()
    if request_id is not None:
        event["request_id"] = request_id
    return event


class _AddProcess:
    """Adds the name of the process to each line."""

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
