"""Make the Celery application: its settings, each with a reason, and a Celery task for each registered task."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final

from celery import Celery

from gristmill.shared.plugins.load import load_plugins
from gristmill.shared.settings import broker_kind
from gristmill.shared.task import registry
from gristmill.workers.celery.topology import work_queues
from gristmill.workers.hard_limit import hard_limit

if TYPE_CHECKING:
    from gristmill.shared.settings import Settings
    from gristmill.shared.task import Task

# Seconds until Valkey gives the hint of a silent worker to another one. Short, since a second delivery does no harm
# (the claim is the guard) and a killed worker's hints wait this long. A running job's hint comes again, and is acked.
VISIBILITY_TIMEOUT: Final = 15
BROKER_TIMEOUT: Final = 10  # seconds until a read, a write or a connect to a silent broker is given up

Run = Callable[["Task", list[str]], None]


def make_app(settings: Settings, run: Run | None = None) -> Celery:
    """Make the Celery application.

    Args:
        settings: where the broker is.
        run: what executes a hint; only a worker's child has it, other processes need the names alone.
    """
    load_plugins()
    app = Celery("gristmill", set_as_current=False)
    app.conf.update(_configuration(settings))
    for task in registry:
        _register(app, task, run or _refuse)
    app.finalize()
    return app


def _register(app: Celery, task: Task, run: Run) -> None:
    def handle(ids: list[str]) -> None:
        run(task, ids)

    handle.__doc__ = task.summary
    app.task(name=task.name, time_limit=hard_limit(task, task.bundle), shared=False)(handle)


def _refuse(task: Task, _ids: list[str]) -> None:
    msg = f"{task.name} runs in a worker only: start one with `gristmill worker --queue {task.queue.name}`"
    raise RuntimeError(msg)


def _configuration(settings: Settings) -> dict[str, Any]:
    rabbitmq = broker_kind(settings) == "rabbitmq"
    return {
        "broker_url": settings.broker_url.reveal(),
        # Hints are JSON of ids; anything else in a queue is not ours. Results live in Postgres.
        "accept_content": ["json"],
        "task_serializer": "json",
        "result_backend": None,
        "task_ignore_result": True,
        # Ack when the database knows the outcome. A killed child's hint comes back (the attempt is counted already);
        # what escaped our wrapper goes to the dead-letter queue.
        "task_acks_late": True,
        "task_reject_on_worker_lost": True,
        "task_acks_on_failure": False,
        "task_acks_on_timeout": False,
        "task_queues": work_queues(quorum=rabbitmq),
        "task_create_missing_queues": False,
        "task_publish_retry": False,
        "task_send_sent_event": False,
        "worker_send_task_events": settings.worker_events,
        "worker_consumer": "gristmill.workers.celery.consumer:HardenedConsumer",
        "worker_prefetch_multiplier": 1,
        "worker_max_tasks_per_child": 10_000,
        "worker_max_memory_per_child": 300_000,  # KiB; the user's limit for a process is 512 MB
        "worker_proc_alive_timeout": 30,
        "worker_cancel_long_running_tasks_on_connection_loss": False,  # the fence makes a second delivery harmless
        "worker_detect_quorum_queues": True,
        "worker_hijack_root_logger": False,
        "worker_redirect_stdouts": False,
        "worker_enable_remote_control": True,
        # Not exclusive: RabbitMQ holds such a queue for the connection that a network has swallowed, up to a minute,
        # and a worker that comes back with a new one would consume nothing meanwhile. It expires 10 s after its use.
        "control_queue_exclusive": False,
        "control_queue_durable": True,
        "broker_heartbeat": 30,
        "broker_connection_timeout": BROKER_TIMEOUT,
        "broker_connection_retry_on_startup": True,
        "broker_connection_max_retries": None,
        "broker_channel_error_retry": True,
        "broker_transport_options": _rabbitmq_options() if rabbitmq else _valkey_options(),
        # The embedded broker's priorities and RabbitMQ's mean opposite things; a queue of its own is our priority.
        "task_default_priority": None,
        "beat_scheduler": "gristmill.workers.celery.beat:PostgresScheduler",
        "beat_max_loop_interval": settings.beat_poll,
        "timezone": "UTC",
    }


def _rabbitmq_options() -> dict[str, Any]:
    return {
        "confirm_publish": True,
        "read_timeout": BROKER_TIMEOUT,
        "write_timeout": BROKER_TIMEOUT,
        "socket_settings": {socket.TCP_USER_TIMEOUT: BROKER_TIMEOUT * 1000},
    }


def _valkey_options() -> dict[str, Any]:
    return {
        "visibility_timeout": VISIBILITY_TIMEOUT,
        "unacked_restore_interval": 5,
        "unacked_restore_throttle": 1,
        "socket_timeout": BROKER_TIMEOUT,
        "socket_connect_timeout": BROKER_TIMEOUT,
        "socket_keepalive": True,
        "health_check_interval": 30,
    }
