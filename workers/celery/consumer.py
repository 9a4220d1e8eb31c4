"""Consume hints so that no message stops the worker: a malformed one is rejected into the dead-letter queue."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Final

import structlog
from celery.worker.consumer import Consumer
from uuid_utils.compat import UUID

from gristmill.shared.base.breaker import FIRST_PAUSE, LONGEST_PAUSE
from gristmill.shared.queues import QUEUES
from gristmill.workers.celery import sweep_timers

log = structlog.get_logger(__name__)
TIME_LIMITS: Final = 2  # in the headers: the hard one, then the soft one


class HardenedConsumer(Consumer):
    """Celery's consumer without the ways in which a message could stop it."""

    connection_errors: tuple[type[Exception], ...]
    channel_errors: tuple[type[Exception], ...]

    class Blueprint(Consumer.Blueprint):  # type: ignore[valid-type, misc] # stubs: a variable
        """Celery's steps without native delayed delivery.

        That would declare 28 queues and 29 exchanges for delays; our time lives in Postgres.
        """

        default_steps = [  # noqa: RUF012  Celery reads it as a class attribute
            step for step in Consumer.Blueprint.default_steps if "delayed_delivery" not in step
        ]

    def ensure_connected(self, conn: Any) -> Any:
        """Try to reach a broker that is away as often as other loops do; Celery's pauses grow to half a minute."""
        pauses = {"interval_start": FIRST_PAUSE, "interval_step": 1, "interval_max": LONGEST_PAUSE}
        ensure = partial(conn.ensure_connection, **pauses)

        def ensure_and_report(on_error: Callable[[Exception, float], None], *args: Any, **kwargs: Any) -> Any:
            def report(error: Exception, pause: float) -> None:
                self._report(error)
                on_error(error, pause)

            return ensure(report, *args, **kwargs)

        conn.ensure_connection = ensure_and_report
        connected = super().ensure_connected(conn)
        self._report(None)
        return connected

    def on_connection_error_after_connected(self, exc: Exception) -> None:
        """Report that the broker is away, then do as Celery does."""
        self._report(exc)
        super().on_connection_error_after_connected(exc)

    def _report(self, trouble: Exception | None) -> None:
        reporter = self.app.conf.get("gristmill_reporter")
        if reporter is not None:
            reporter.tell(trouble)

    def register_with_event_loop(self, hub: Any) -> None:
        """Sweep the timers, too. Celery calls this for each connection, and cancels what starts here with it."""
        super().register_with_event_loop(hub)
        hub.call_repeatedly(sweep_timers.EVERY, sweep_timers.sweep, hub.timer)

    def create_task_handler(self, *args: Any, **kwargs: Any) -> Callable[[Any], None]:
        """Wrap Celery's handler: only an error of the connection may leave it."""
        handle = super().create_task_handler(*args, **kwargs)
        passes: tuple[type[BaseException], ...] = (*self.connection_errors, *self.channel_errors, MemoryError)

        def on_message(message: Any) -> None:
            problem = problem_of(message)
            if problem is not None:
                self._refuse(message, problem)
                return
            try:
                handle(message)
            except passes:
                raise
            except Exception as error:  # noqa: BLE001  nothing that a message can cause may end the worker
                self._refuse(message, f"{type(error).__name__}: {error}")

        return on_message

    def on_decode_error(self, message: Any, exc: Exception) -> None:
        """Reject a message that cannot be decoded, which Celery would acknowledge and so lose."""
        self._refuse(message, f"{type(exc).__name__}: {exc}")

    def on_unknown_task(self, body: Any, message: Any, exc: Exception) -> None:  # noqa: ARG002  Celery's signature
        """Reject the hint of a task that this worker does not know."""
        self._refuse(message, f"unknown task {exc}")

    def _refuse(self, message: Any, problem: str) -> None:
        log.error("hint.refused", problem=problem[:500], delivery=getattr(message, "delivery_info", None))
        if message.acknowledged:
            return
        if message.channel.connection.client.transport.driver_type == "redis":
            self._bury(message)  # Valkey has no dead-letter exchange: the queue is kept by hand
        message.reject_log_error(log, self.connection_errors)

    def _bury(self, message: Any) -> None:
        (queue,) = self.app.amqp.queues.consume_from
        body = message.body if isinstance(message.body, str) else bytes(message.body).decode(errors="replace")
        copy = message.channel.prepare_message(
            body,
            content_type=message.content_type,
            content_encoding=message.content_encoding,
            headers=message.headers,
            properties={"delivery_mode": 2},
        )
        message.channel.basic_publish(copy, exchange="", routing_key=QUEUES[queue].dead_letter_queue)


def problem_of(message: Any) -> str | None:
    """Say why `message` cannot be a hint of ours, or return None. Reads headers only; bodies are read in the child."""
    headers = message.headers
    if not isinstance(headers, dict):
        return "no headers"
    name, hint_id = headers.get("task"), headers.get("id")
    if not isinstance(name, str) or not name:
        return "no task name in the headers"
    if not isinstance(hint_id, str):
        return "no id in the headers"
    try:
        UUID(hint_id)
    except ValueError:
        return "the id in the headers is not a UUID"
    if message.content_type != "application/json":
        return f"content type {str(message.content_type)[:80]!r} instead of application/json"
    return _problem_of_options(headers)


def _problem_of_options(headers: dict[str, Any]) -> str | None:
    """Check what Celery reads after it has taken a place in its pool, which an error there would never free."""
    limits = headers.get("timelimit") or (None, None)
    if not isinstance(limits, (list, tuple)) or len(limits) != TIME_LIMITS or not all(map(_is_limit, limits)):
        return "the time limits in the headers are not two numbers of seconds"
    if not isinstance(headers.get("retries") or 0, int):
        return "the retries in the headers are not a number"
    if headers.get("eta") is not None:
        return "an eta in the headers: time lives in Postgres, and a worker's memory is no place to wait in"
    return None


def _is_limit(value: object) -> bool:
    return value is None or (isinstance(value, (int, float)) and value > 0)
