"""Handlers that harm their process: each try costs an attempt, the last ends the job, neighbours are not harmed."""

import collections
import faulthandler
import itertools
import os
import resource
import signal
import sys
import threading
from collections.abc import Callable, Iterator
from datetime import timedelta
from multiprocessing import get_context
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from gristmill.shared.context import Context
from gristmill.shared.database.connect import Database
from gristmill.shared.jobs.enqueue import JobOptions
from gristmill.shared.retry import RetryPolicy
from gristmill.shared.states import State
from gristmill.workers.celery.app import make_app
from gristmill.workers.execute.attempt import Executor
from gristmill.workers.relay.hint import Hint, message_of
from gristmill.workers.repair.reconciler import take_over_lost
from tests import platform_tasks as tasks
from tests.cluster import cluster
from tests.eventually import eventually
from tests.factories import (
    attempts,
    change,
    effects,
    find,
    have_effect,
    have_ended,
    hints,
    letters,
    post,
    post_many,
    reached,
    state,
    states,
)
from tests.integration.workers.dead_queues import DATA, send

Declare = Callable[..., Any]
LEASE = 1.0

pytestmark = pytest.mark.timeout(300, method="thread")


@pytest.fixture
def database(database_url: str) -> Iterator[Database]:
    with reached(database_url, lease=LEASE) as database:
        yield database


def start(database_url: str, *jobs: UUID) -> BaseProcess:
    """Execute a hint of `jobs` in a process of its own, as a worker's child does."""
    child = get_context("fork").Process(target=_execute, args=(database_url, jobs), daemon=True)
    child.start()
    return child


def _execute(database_url: str, jobs: tuple[UUID, ...]) -> None:
    with reached(database_url, lease=LEASE) as database:
        Executor(database, worker=f"child@{os.getpid()}", queue=DATA).execute(list(jobs))


def run(database_url: str, *jobs: UUID) -> int:
    child = start(database_url, *jobs)
    child.join(120)
    assert child.exitcode is not None
    return child.exitcode


def take_over(database: Database, *jobs: UUID) -> None:
    """What the reconciler does when the leases are over."""
    change(
        database,
        "UPDATE gristmill.jobs SET lease_until = clock_timestamp() - interval '1 second' WHERE state = 'running'",
    )
    eventually(lambda: take_over_lost(database) >= 0 and State.RUNNING not in states(database, *jobs))


class UnpicklableError(Exception):
    def __init__(self, one: object, two: object) -> None:
        super().__init__("needs two")
        self.hold = (one, two, lambda: None, threading.Lock())


class SilentError(Exception):
    def __str__(self) -> str:
        raise ValueError(self.args)

    __repr__ = __str__


class NamelessError(Exception):
    def __str__(self) -> str:
        return None  # type: ignore[return-value]  # noqa: PLE0307  as careless code does


def _raise(error: BaseException) -> Callable[[Context], None]:
    def handler(ctx: Context) -> None:
        have_effect(ctx, "poison")
        raise error

    return handler


def _recurse(ctx: Context) -> None:
    _recurse(ctx)


def _exit(_: Context) -> None:
    sys.exit(0)


FAILURES: dict[str, Callable[[Context], object]] = {
    "raises what cannot be pickled": _raise(UnpicklableError(1, 2)),
    "raises what cannot be shown": _raise(SilentError("x")),
    "raises what shows as nothing": _raise(NamelessError()),
    "raises NUL and half characters": _raise(RuntimeError("a\x00b\ud800")),
    "raises a page": _raise(RuntimeError("x" * 5_000_000)),
    "raises a group": _raise(ExceptionGroup("many", [ValueError(number) for number in range(50)])),
    "calls sys.exit": _exit,
    "recurses for ever": _recurse,
}


@pytest.mark.parametrize("kind", FAILURES)
def test_a_handler_that_ends_badly_costs_an_attempt_each_time_and_ends_dead(
    database: Database, executor: Executor, declare: Declare, kind: str
) -> None:
    task = declare(FAILURES[kind], bundle=5)
    neighbours = declare(lambda ctx: have_effect(ctx, "good"), bundle=5)
    poison, *good = post(database, task), *post_many(database, 2, neighbours)
    for _ in range(3):
        executor.execute([good[0], poison, good[1]])
    assert states(database, poison, *good) == [State.DEAD, State.SUCCEEDED, State.SUCCEEDED]
    assert [attempt.outcome for attempt in attempts(database, poison)] == ["failed"] * 3
    assert [letter.reason for letter in letters(database, poison)] == ["exhausted"]
    assert (effects(database, "poison"), effects(database, "good")) == (0, 2)


def _kill_itself(_: Context) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _leave(_: Context) -> None:
    os._exit(0)


def _abort(_: Context) -> None:
    faulthandler.disable()  # it is no accident, and its page would be taken for one
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.abort()


def _interrupt(_: Context) -> None:
    raise KeyboardInterrupt


KILLERS: dict[str, Callable[[Context], None]] = {
    "kills its process": _kill_itself,
    "leaves by the back door": _leave,
    "aborts": _abort,
    "raises KeyboardInterrupt": _interrupt,
}


@pytest.mark.parametrize("kind", KILLERS)
def test_a_handler_that_takes_its_process_along_ends_in_a_crash_loop_and_its_neighbours_do_their_work(
    database: Database, database_url: str, declare: Declare, kind: str
) -> None:
    def handler(ctx: Context, *, good: bool) -> None:
        have_effect(ctx, "good" if good else "poison")
        if not good:
            KILLERS[kind](ctx)

    task = declare(handler, bundle=5)
    jobs = [post(database, task, good=good) for good in (True, False, True)]
    change(database, "DELETE FROM gristmill.outbox")
    run(database_url, *jobs)
    assert states(database, *jobs) == [State.RUNNING] * 3
    take_over(database, *jobs)
    assert [hint.alone for hint in hints(database)] == [True] * 3  # so that it can harm nobody again
    for _ in range(2):
        for job in jobs:
            run(database_url, job)
        take_over(database, *jobs)
    assert states(database, *jobs) == [State.SUCCEEDED, State.DEAD, State.SUCCEEDED]
    assert [letter.reason for letter in letters(database, jobs[1])] == ["crash_loop"]
    assert (effects(database, "good"), effects(database, "poison")) == (2, 0)


def test_a_handler_that_runs_out_of_memory_costs_an_attempt_and_the_process_goes_on(
    database: Database, database_url: str, declare: Declare
) -> None:
    def greedy(ctx: Context) -> int:
        have_effect(ctx, "greedy")
        used = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + 200_000_000, resource.RLIM_INFINITY))
        try:
            return len([bytearray(10_000_000) for _ in itertools.count()])
        finally:
            resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

    job = post(database, declare(greedy))
    assert run(database_url, job) == 0
    (attempt,) = attempts(database, job)
    assert (state(database, job), attempt.error_type, effects(database, "greedy")) == (State.RETRYING, "MemoryError", 0)


@pytest.mark.parametrize("effects_are", ["database", "outside"])
def test_a_handler_that_never_comes_back_from_c_is_ended_from_outside_and_costs_an_attempt(
    database: Database, database_url: str, declare: Declare, effects_are: str
) -> None:
    """No signal handler and no other thread of Python runs meanwhile: neither time limit nor watch get their turn."""

    def handler(ctx: Context) -> None:
        if effects_are == "database":
            have_effect(ctx, "k")
        collections.deque(itertools.count(), maxlen=0)

    job = post(database, declare(handler, effects=effects_are, time_limit=timedelta(seconds=1)))
    child = start(database_url, job)
    eventually(lambda: state(database, job) == State.RUNNING)
    if effects_are == "database":
        eventually(lambda: find(database, job).lease_until is not None and holds_lock(database), within=60)
        change(database, "UPDATE gristmill.jobs SET lease_until = clock_timestamp() - interval '1 second'")
        assert take_over_lost(database) == 0  # its lock is held: it works
    child.kill()  # as the worker's parent does when the hard limit is over
    child.join(60)
    take_over(database, job)
    (attempt,) = attempts(database, job)
    assert (state(database, job), attempt.outcome, effects(database, "k")) == (State.RETRYING, "lost", 0)


def holds_lock(database: Database) -> bool:
    from sqlalchemy import text

    query = text("SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND granted")
    with database.transaction() as session:
        return bool(session.execute(query).scalar_one())


def test_the_gaps_between_the_attempts_of_a_poisonous_job_grow(
    database: Database, executor: Executor, declare: Declare
) -> None:
    policy = RetryPolicy(max_attempts=6, first_delay=timedelta(minutes=1), factor=4)
    task = declare(_raise(RuntimeError("poison")), retry=policy)
    jobs = post_many(database, 20, task)  # each wait is drawn from 0 to its ceiling: look at many
    ceilings = []
    for _ in range(4):
        executor.execute(jobs)
        waits = [find(database, job).run_at - attempts(database, job)[-1].ended_at for job in jobs]
        ceilings.append(max(waits).total_seconds())
        change(database, "UPDATE gristmill.jobs SET run_at = clock_timestamp()")
    assert ceilings == sorted(ceilings)
    assert ceilings[-1] > 10 * ceilings[0]


@pytest.mark.timeout(300, method="thread")
def test_jobs_that_kill_hang_and_fail_take_nobody_in_the_prefetch_with_them(
    database_url: str, rabbitmq_url: str, servers_folder: Path
) -> None:
    """On a real worker: who does not come back is killed by its parent when the hard limit of its hint is over."""
    with (
        reached(database_url, environment={"GRISTMILL_BROKER_URL": rabbitmq_url}) as database,
        cluster(servers_folder / f"poison-{os.getpid()}", database.settings) as mill,
    ):
        mill.relay()
        mill.maintenance()
        mill.worker(DATA, concurrency=2)
        mill.up()
        killers = [post(database, tasks.crash, JobOptions(max_attempts=2), times=-1) for _ in range(2)]
        good = post_many(database, 40, tasks.effect, key="good")
        failing = post(database, tasks.fail, JobOptions(max_attempts=2), times=-1)
        hanging = insert_hint_with_a_hard_limit_of_a_second(database, rabbitmq_url)
        eventually(lambda: have_ended(database, *killers, *good, failing, hanging), within=150)
        assert states(database, *good) == [State.SUCCEEDED] * 40
        assert effects(database, "good") == 40
        assert states(database, *killers, failing) == [State.DEAD] * 3
        assert [letters(database, job)[0].reason for job in killers] == ["crash_loop"] * 2
        # Its parent says SIGTERM, which is a SystemExit in the handler, and SIGKILL a tenth of a second later. The
        # hint with a second left comes back once, and is killed again where the wait drawn for the retry was short.
        how = {(attempt.outcome, attempt.error_type) for attempt in attempts(database, hanging)}
        assert how
        assert how <= {("lost", "WorkerLostError"), ("failed", "SystemExit")}
        assert state(database, hanging) == State.SUCCEEDED


def insert_hint_with_a_hard_limit_of_a_second(database: Database, url: str) -> UUID:
    """Post a sleep of 3 s whose first hint has 1 s left; the next one, of the relay, has an hour."""
    job = post(database, tasks.sleep, JobOptions(delay=timedelta(hours=1), max_attempts=20), seconds=3)
    change(database, "DELETE FROM gristmill.outbox WHERE job_id = :id", id=job)
    change(database, "UPDATE gristmill.jobs SET run_at = clock_timestamp(), state = 'queued' WHERE id = :id", id=job)
    headers, properties, body = message_of(make_app(database.settings), Hint("demo.sleep", DATA, (job,)))
    send(url, body, headers={**headers, "timelimit": [1, None]}, routing_key=DATA, **properties)
    return job
