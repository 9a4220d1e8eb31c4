"""Operations of the API that the command uses, by the ids of the OpenAPI document, and the interface of a back end."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol
from urllib.parse import quote
from uuid import UUID


@dataclass(frozen=True, slots=True)
class Operation:
    """One operation: its method, its path below `/api/v1`, and whether sending it twice is harmless."""

    method: str
    path: str
    repeatable: bool = True

    def path_for(self, names: Mapping[str, str | UUID]) -> str:
        """Return the path with the names of its things filled in."""
        return self.path.format(**{name: quote(str(value), safe="") for name, value in names.items()})


OPERATIONS: Final[dict[str, Operation]] = {
    "search_jobs": Operation("POST", "/jobs/search"),
    "count_jobs": Operation("POST", "/jobs/count"),
    "show_job": Operation("GET", "/jobs/{job_id}"),
    "post_job": Operation("POST", "/jobs"),  # with an idempotency key
    "cancel_job": Operation("POST", "/jobs/{job_id}/cancel"),
    "cancel_jobs": Operation("POST", "/jobs/cancel"),
    "retry_job": Operation("POST", "/jobs/{job_id}/retry"),
    "search_dead_letters": Operation("POST", "/dead-letters/search"),
    "count_dead_letters": Operation("POST", "/dead-letters/count"),
    "group_dead_letters": Operation("GET", "/dead-letters/groups"),
    "show_dead_letter": Operation("GET", "/dead-letters/{letter_id}"),
    "redrive_dead_letter": Operation("POST", "/dead-letters/{letter_id}/redrive", repeatable=False),
    "redrive_dead_letters": Operation("POST", "/dead-letters/redrive"),
    "discard_dead_letter": Operation("POST", "/dead-letters/{letter_id}/discard", repeatable=False),
    "list_queues": Operation("GET", "/queues"),
    "show_queue": Operation("GET", "/queues/{name}"),
    "pause_queue": Operation("POST", "/queues/{name}/pause"),
    "resume_queue": Operation("POST", "/queues/{name}/resume"),
    "list_schedules": Operation("GET", "/schedules"),
    "show_schedule": Operation("GET", "/schedules/{name}"),
    "put_schedule": Operation("PUT", "/schedules/{name}"),
    "change_schedule": Operation("PATCH", "/schedules/{name}"),
    "delete_schedule": Operation("DELETE", "/schedules/{name}", repeatable=False),
    "list_fires": Operation("GET", "/schedules/{name}/fires"),
    "run_schedule": Operation("POST", "/schedules/{name}/run", repeatable=False),
    "backfill_schedule": Operation("POST", "/schedules/{name}/backfill"),
    "list_tasks": Operation("GET", "/tasks"),
    "show_task": Operation("GET", "/tasks/{name}"),
    "list_producers": Operation("GET", "/producers"),
    "create_producer": Operation("POST", "/producers", repeatable=False),
    "show_producer": Operation("GET", "/producers/{producer_id}"),
    "change_producer": Operation("PATCH", "/producers/{producer_id}"),
    "list_keys": Operation("GET", "/producers/{producer_id}/keys"),
    "create_key": Operation("POST", "/producers/{producer_id}/keys", repeatable=False),
    "rotate_key": Operation("POST", "/producers/{producer_id}/keys/{key_id}/rotate", repeatable=False),
    "revoke_key": Operation("POST", "/producers/{producer_id}/keys/{key_id}/revoke"),
    "make_webhook_secret_of_producer": Operation("POST", "/producers/{producer_id}/webhook-secret", repeatable=False),
}


class Backend(Protocol):
    """The interface of both back ends. Requests and answers have the shape of the API's JSON."""

    @property
    def title(self) -> str:
        """The platform, to be named in a question: the URL, or the database's name and host."""

    def ask(self, operation: str, body: Mapping[str, Any] | None = None, **names: str | UUID) -> Any:
        """Perform an operation and return its answer.

        Args:
            operation: a key of `OPERATIONS`.
            body: the JSON of the request; the query of a GET.
            names: the names in the path, such as `job_id`.

        Raises:
            GristmillError: it was refused; `details` holds the problems by path.
        """

    def ask_status(self, operation: str, body: Mapping[str, Any] | None = None, **names: str | UUID) -> tuple[int, Any]:
        """Perform an operation as `ask` does; return the HTTP status, too."""

    def follow(self, job_id: UUID) -> Iterator[dict[str, Any] | None]:
        """Yield the events of a job (`id`, `event`, `data`), past ones first, until it ends; None while it waits.

        Raises:
            GristmillError: the job is not found, or the platform did not answer for a minute.
        """

    def clock(self) -> datetime:
        """Return the time of the platform, by which ages are shown."""

    def close(self) -> None:
        """Close its connections."""
