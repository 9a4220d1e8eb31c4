"""Client of the demo for the HTTP API and the mail catcher, as any producer would use them."""

import time
from dataclasses import dataclass
from typing import Any, Final, Self
from uuid import uuid4

import httpx

from gristmill.process import ServiceFailedError

_TRIES: Final = 5
_SECONDS: Final = 30.0  # for each request
_RETRIED: Final = frozenset({429, 503})
_LONGEST_PAUSE: Final = 10.0  # seconds, whatever Retry-After says


@dataclass(frozen=True, slots=True, kw_only=True)
class JobSnapshot:
    """The state of a job as the API last showed it."""

    id: str
    state: str
    attempts: int
    error: str | None
    result: Any


class Client:
    """A producer.

    Args:
        url: The URL of the API.
        key: The API key.
    """

    def __init__(self, url: str, key: str) -> None:
        self._url = url
        self._http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=_SECONDS, trust_env=False
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def post_job(self, task: str, args: dict[str, Any], **options: Any) -> str:
        """Post a job and return its id. An idempotency key makes repeating safe.

        Raises:
            ServiceFailedError: the API refused it, or does not answer.
        """
        body = {"task": task, "args": args, **options}
        key = {"Idempotency-Key": uuid4().hex}
        return str(self._request("POST", "/api/v1/jobs", json=body, headers=key)["id"])

    def list_tasks(self) -> set[str]:
        """Return the names of the tasks that jobs can be posted for.

        Raises:
            ServiceFailedError: the API does not answer.
        """
        return {str(task["name"]) for task in self._request("GET", "/api/v1/tasks")["items"]}

    def get_job(self, job_id: str) -> JobSnapshot:
        """Return a job.

        Raises:
            ServiceFailedError: the API does not answer.
        """
        job = self._request("GET", f"/api/v1/jobs/{job_id}")
        errors = [attempt["error"] for attempt in job["attempts"] if attempt.get("error")]
        return JobSnapshot(
            id=job_id,
            state=str(job["state"]),
            attempts=int(job["attempt"]),
            error=errors[-1]["code"] if errors else None,
            result=job.get("result"),
        )

    def count_effects(self, key: str) -> int:
        """Return the number of effects that `demo.effect` left under a key.

        Raises:
            ServiceFailedError: the API does not answer.
        """
        return int(self._request("GET", "/api/v1/demo/effects", params={"key": key})["count"])

    def _request(self, method: str, path: str, **options: Any) -> dict[str, Any]:
        for left in reversed(range(_TRIES)):
            try:
                answer = self._http.request(method, path, **options)
            except httpx.TransportError as error:
                if left == 0:
                    raise ServiceFailedError(
                        f"{self._url} does not answer ({error}): is `gristmill up` running?"
                    ) from error
                time.sleep(0.5)
                continue
            if answer.status_code in _RETRIED and left:
                time.sleep(min(_LONGEST_PAUSE, float(answer.headers.get("Retry-After", 1))))
                continue
            if answer.status_code >= httpx.codes.BAD_REQUEST:
                raise ServiceFailedError(f"{method} {path} answered {answer.status_code}: {answer.text[:500]}")
            found: dict[str, Any] = answer.json()
            return found
        raise AssertionError("the last try returns or raises")


def count_mails(url: str, to: str) -> int:
    """Return the number of mails that the catcher has for an address."""
    answer = httpx.get(f"{url}/mail", params={"to": to}, timeout=_SECONDS, trust_env=False)
    answer.raise_for_status()
    return len(answer.json()["messages"])
