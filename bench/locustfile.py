"""Load by producers and signed-in people, for a team's own tests: jobs, polls and batches; people look who they are.

`make load-test`, or with a Locust of your own: `locust -f bench/locustfile.py --headless --users 1000 …`. It needs
GRISTMILL_URL and GRISTMILL_API_KEY, and exits with 1 when a criterion was missed.

People register and sign in first, all from this machine, and one address may do so a few times a minute. So each says
by X-Forwarded-For that it comes from elsewhere: `make load-test ARGS=--here` trusts that. Elsewhere set
GRISTMILL_TRUSTED_PROXIES=1, where nothing else stands before the ingress, or raise GRISTMILL_LOGINS and
GRISTMILL_REGISTRATIONS for the test; else those who were refused come again when they are told to, and wait.
"""

from __future__ import annotations

import json
import logging
import os
import random
import sys
import time
from collections import deque
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from uuid import uuid4

from locust import FastHttpUser, between, constant_throughput, events, task

sys.path.insert(0, str(Path(__file__).parents[1]))  # a Locust of one's own knows nothing of this clone
from bench.criteria import Criteria, missed

if TYPE_CHECKING:
    from argparse import ArgumentParser

log = logging.getLogger(__name__)
API: Final = "/api/v1/jobs"
AUTH: Final = "/api/v1/auth"
LATER: Final = (429, 503)
TASK: Final = os.environ.get("GRISTMILL_LOAD_TASK", "demo.echo")
ARGS: Final[dict[str, Any]] = json.loads(os.environ.get("GRISTMILL_LOAD_ARGS", '{"message": "under load"}'))
BATCH: Final = 20
REMEMBERED: Final = 5  # jobs that a producer asks about
users_there: Final[list[int]] = []  # at once, whenever all that were wanted had come


def _setting(name: str) -> str:
    value = os.environ.get(name)
    if not value:
        sys.exit(f"{name} is not set. Of a `make up` that runs here: set -a; . .gristmill/env; set +a")
    return value


def _some_address() -> str:
    return f"10.{random.randrange(256)}.{random.randrange(256)}.{random.randrange(1, 255)}"


class Posting(FastHttpUser):  # type: ignore[misc]  # Locust lives in an environment of its own
    """The requests that all producers make."""

    abstract = True
    host = _setting("GRISTMILL_URL")

    def on_start(self) -> None:
        self.headers = {"Authorization": f"Bearer {_setting('GRISTMILL_API_KEY')}"}
        self.jobs: deque[str] = deque(maxlen=REMEMBERED)

    def post(self, path: str, body: dict[str, Any]) -> dict[str, Any] | None:
        """Post, and return the answer when it was 202."""
        with self.client.post(path, json=body, headers=self.headers, catch_response=True, name=path) as answer:
            if answer.status_code == 202:
                found: dict[str, Any] = answer.json()
                return found
            answer.failure(f"{answer.status_code}: {str(answer.text)[:200]}")
        return None


class Producer(Posting):
    """An application that posts a job now and then, and looks what became of it."""

    weight = 8
    wait_time = between(2, 6)

    @task(2)
    def post_one(self) -> None:
        if job := self.post(API, {"task": TASK, "args": ARGS}):
            self.jobs.append(job["id"])

    @task(1)
    def poll(self) -> None:
        if self.jobs:
            job = random.choice(self.jobs)
            self.client.get(f"{API}/{job}", headers=self.headers, name=f"{API}/{{id}}")


class Importer(Posting):
    """An application that has many jobs at once: a batch every ten seconds."""

    weight = 1
    wait_time = constant_throughput(0.1)

    @task
    def post_batch(self) -> None:
        self.post(f"{API}/batch", {"jobs": [{"task": TASK, "args": ARGS}] * BATCH})


class Person(FastHttpUser):  # type: ignore[misc]  # Locust lives in an environment of its own
    """Somebody who registers, signs in, looks who they are, and takes new tokens now and then."""

    weight = 1
    host = _setting("GRISTMILL_URL")
    wait_time = between(2, 6)

    def on_start(self) -> None:
        self.tokens: dict[str, Any] = {}
        self.elsewhere = {"X-Forwarded-For": _some_address()}
        name = f"load-{uuid4().hex}"
        account = {"email": f"{name}@example.com", "password": "Correct-horse-1"}
        about = {"full_name": name, "terms_accepted": True}
        while not self.enter("register", account | about, 201, 202):
            time.sleep(self.pause)  # Locust lets others go on meanwhile
        while not self.enter("login", account, 200):
            time.sleep(self.pause)  # Locust lets others go on meanwhile

    def enter(self, step: str, body: dict[str, Any], *good: int) -> bool:
        """Take a step of signing in; say whether it was taken. One that is to come later is no failure."""
        path = f"{AUTH}/{step}"
        headers = self.elsewhere | {"Prefer": "wait=10"}
        with self.client.post(path, json=body, headers=headers, catch_response=True, name=path) as answer:
            self.pause = float((answer.headers or {}).get("Retry-After", 1))
            if answer.status_code in good:
                self.tokens = answer.json() if answer.status_code == 200 else {}
                return True
            if answer.status_code in LATER:
                answer.success()
            else:
                answer.failure(f"{answer.status_code}: {str(answer.text)[:200]}")
        return False

    @task(9)
    def look(self) -> None:
        headers = {"Authorization": f"Bearer {self.tokens['access_token']}"}
        self.client.get("/api/v1/users/me", headers=headers, name="/api/v1/users/me")

    @task(1)
    def refresh(self) -> None:
        self.enter("refresh", {"refresh_token": self.tokens["refresh_token"]}, 200)


@events.init_command_line_parser.add_listener
def add_options(parser: ArgumentParser) -> None:
    """Let the criteria be given on the command line."""
    usual = Criteria()
    parser.add_argument("--most-p95", type=float, default=usual.p95, help="milliseconds (default: %(default)s)")
    parser.add_argument("--most-errors", type=float, default=usual.errors, help="a part of 1 (default: %(default)s)")


@events.spawning_complete.add_listener
def remember_users(user_count: int, **_: Any) -> None:
    """Remember how many were there at once."""
    users_there.append(user_count)


@events.quitting.add_listener
def judge(environment: Any, **_: Any) -> None:
    """Set the exit code, and say what was missed."""
    options, total = environment.parsed_options, environment.stats.total
    found = missed(
        Criteria(options.most_p95, options.most_errors, options.num_users or 1),
        requests=total.num_requests,
        p95=total.get_response_time_percentile(0.95) or 0.0,
        errors=total.fail_ratio,
        users=max(users_there, default=0),
    )
    for sentence in found:
        log.error("missed: %s", sentence)
    if not found:
        log.info("all criteria were met")
    environment.process_exit_code = 1 if found else 0
