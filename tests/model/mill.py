"""The product's own functions around a broker in memory: two workers, a relay, and the loops that repair."""

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from functools import partial
from typing import Any, Final
from uuid import UUID

import pytest
from sqlalchemy import select, text

from gristmill.ingress.accepting.write import write_jobs
from gristmill.shared.base import outages
from gristmill.shared.context import Context
from gristmill.shared.database.connect import Database
from gristmill.shared.dead_letters.models import DeadLetter
from gristmill.shared.dead_letters.queries_broker_letters import write_missing_letters
from gristmill.shared.dead_letters.redrive import discard_one, redrive_one
from gristmill.shared.errors import ConflictError, PermanentError, TransientError
from gristmill.shared.jobs.enqueue import JobOptions, prepare
from gristmill.shared.jobs.insert import Accepted
from gristmill.shared.operating.cancel import cancel_job
from gristmill.shared.operating.pause import expire_held, pause_queue, resume_queue
from gristmill.shared.operating.run_now import run_job_now
from gristmill.shared.outcomes import Cancel, Discard, Snooze
from gristmill.shared.task import registry
from gristmill.tasks.demo.models import DemoEffect
from gristmill.workers.broker_errors import PublishError
from gristmill.workers.celery.app import make_app
from gristmill.workers.execute.attempt import Executor
from gristmill.workers.hint_size import TurnIsOverError, portion_size, split_hint
from gristmill.workers.loop import Stop
from gristmill.workers.relay.hint import Hint
from gristmill.workers.relay.loop import Relay
from gristmill.workers.repair import recorder as recorder_module
from gristmill.workers.repair.lost_hints import LostHints
from gristmill.workers.repair.reconciler import take_over_lost
from gristmill.workers.repair.recorder import Recorder
from tests import platform_tasks as tasks
from tests.factories import declared, have_effect
from tests.model.broker import Broker
from tests.model.interruptions import Crash, Interruptions
from tests.model.ledger import broken_invariants, let_time_pass

LEASE: Final = 600.0  # seconds; the watch of a worker looks a third of it later, long after an example has ended
DATA: Final = "data_processing_queue"
PRODUCER: Final = UUID("0198c0de-0000-7000-8000-000000000001")
NEVER_QUIET: Final = 400  # rounds after which a job is taken to be stuck


class Mill:
    """All of the platform that is needed for a job to end, with nothing that runs by itself."""

    def __init__(self, databases: list[Database], interruptions: Interruptions) -> None:
        self.database, *workers = databases
        self.interruptions = interruptions
        self.bundling = replace(self.database.settings, relay_batch=2)
        self.broker = Broker(make_app(self.database.settings))
        self.looks_until_told_to_stop: dict[int, int] = {}
        self.workers = [
            Executor(each, worker=f"worker-{n}@model", queue=DATA, is_stopping=partial(self._is_stopping, n))
            for n, each in enumerate(workers)
        ]
        self.busy: set[int] = set()
        self.relay = Relay(self.database.settings, self.database, self.broker, Stop())
        self.recorder = Recorder(self.database, self.broker)  # type: ignore[arg-type]  # what it needs of a view
        self.lost_hints = LostHints(self.database, self.broker.count_ready)
        self.accepted: dict[str, UUID] = {}

    def reset(self) -> None:
        with self.database.transaction() as session:
            session.execute(
                text(
                    "TRUNCATE gristmill.jobs, gristmill.attempts, gristmill.outbox, gristmill.idempotency_keys, "
                    "gristmill.dead_letters, gristmill.demo_effects, gristmill.held_hints CASCADE"
                )
            )
            session.execute(text("TRUNCATE gristmill.queue_controls"))
        self.broker.clear()
        self.busy.clear()
        self.looks_until_told_to_stop.clear()
        self.lost_hints = LostHints(self.database, self.broker.count_ready)
        self.accepted.clear()
        self.interruptions.planned.clear()

    def accept(self, key: str, task: str, args: dict[str, Any], options: JobOptions) -> UUID:
        """Post as a producer does that repeats what was not answered, with the same Idempotency-Key."""
        for _ in range(2):
            new = prepare(registry.get(task), args, options, secret_key=self.database.settings.secret_key)
            with suppress(Crash):
                (written,) = write_jobs(self.database, [new.with_idempotency_key(key, "hash")]).values()
                assert isinstance(written, Accepted)
                self.accepted[key] = written.id
                return written.id
        raise AssertionError

    def publish(self, *, bundles: bool = False) -> int:
        self.relay._settings = self.bundling if bundles else self.database.settings
        with suppress(Crash, PublishError):
            return self.relay.publish_due()
        return 1

    def pause(self) -> None:
        with self.database.transaction() as session:
            pause_queue(session, DATA, actor="model", reason=None)

    def resume(self) -> None:
        with self.database.transaction() as session:
            resume_queue(session, DATA, actor="model")

    def release(self) -> int:
        return self.relay.release_held()

    def expire_held(self) -> None:
        with self.database.transaction() as session:
            expire_held(session, limit=100)

    def deliver(self, hint: Hint, *, stops_after: int | None = None) -> None:
        """Give a hint to a worker that is idle; the broker delivers it again when the worker dies with it.

        With `stops_after` the worker has been told to stop when it looks for the n-th time.
        """
        idle = [number for number in range(len(self.workers)) if number not in self.busy]
        if not idle:
            self.broker.ready.append(hint)
            return
        self.busy.add(idle[0])
        if stops_after is not None:
            self.looks_until_told_to_stop[idle[0]] = stops_after
        try:
            dead = False
            for portion in split_hint(
                hint.job_ids, portion_size(registry.find(hint.task)), partial(self._is_stopping, idle[0])
            ):
                dead = self.workers[idle[0]].execute(list(portion))
            if dead and len(hint.job_ids) == 1:
                self.broker.bury(hint, "rejected")
        except (Crash, TurnIsOverError):
            self.broker.ready.append(hint)
        finally:
            self.busy.discard(idle[0])
            self.looks_until_told_to_stop.pop(idle[0], None)  # another process has taken its place

    def _is_stopping(self, worker: int) -> bool:
        if worker not in self.looks_until_told_to_stop:
            return False
        self.looks_until_told_to_stop[worker] -= 1
        return self.looks_until_told_to_stop[worker] < 0

    def stop_busy(self) -> None:
        """Tell the workers that have something to do to stop."""
        self.looks_until_told_to_stop |= dict.fromkeys(self.busy, 0)

    def deliver_all(self) -> int:
        waiting, self.broker.ready = self.broker.ready, []
        for hint in waiting:
            self.deliver(hint)
        return len(waiting)

    def record(self) -> int:
        with suppress(Crash):
            return self.recorder.tick()
        return 1

    def reconcile(self) -> int:
        with suppress(Crash):
            return take_over_lost(self.database)
        return 1

    def take_over(self) -> None:
        """Take whoever works now for lost, and let the others try again what it has."""
        self.pass_time(LEASE + 1)
        self.reconcile()
        self.pass_time(10)  # longer than any back-off
        self.publish()
        self.deliver_all()

    def look(self) -> int:
        return self.lost_hints.look()

    def repair(self) -> None:
        with self.database.transaction() as session:
            missing = write_missing_letters(session)
        assert not missing, f"dead without a letter: {missing}"

    def cancel(self, job_id: UUID) -> None:
        with suppress(ConflictError), self.database.transaction() as session:
            cancel_job(session, job_id, actor="model")

    def cancel_all(self) -> None:
        for job_id in self.accepted.values():
            self.cancel(job_id)

    def run_now(self, job_id: UUID) -> None:
        with suppress(ConflictError), self.database.transaction() as session:
            run_job_now(session, job_id, actor="model")

    def resolve_letters(self, *, discard: bool) -> None:
        """Redrive or discard whatever is dead."""
        for letter_id in self._open_letters():
            with suppress(Crash), self.database.transaction() as session:
                if discard:
                    discard_one(session, letter_id, actor="model", reason="as it was asked to")
                else:
                    redrive_one(session, letter_id, actor="model")

    def pass_time(self, seconds: float) -> None:
        with self.database.transaction() as session:
            let_time_pass(session, seconds)

    def check(self) -> None:
        with self.database.transaction() as session:
            broken = broken_invariants(session)
            known = set(session.execute(text("SELECT id FROM gristmill.jobs WHERE parent_id IS NULL")).scalars())
        assert not broken, broken
        assert known == set(self.accepted.values())

    def drain(self) -> None:
        """Heal everything and go on until every job has ended."""
        self.interruptions.planned.clear()
        self.broker.refuses_after = None
        self.resume()
        for _ in range(NEVER_QUIET):
            moved = (
                self.release() + self.publish() + self.deliver_all() + self.record() + self.reconcile() + self.look()
            )
            if not moved and not self._live():
                return
            if not moved:
                self.pass_time(LEASE + 1 if self._running() else 7)
        raise AssertionError(f"these never end: {self._live()}")

    def _live(self) -> list[Any]:
        return self._select("SELECT id, task, state, attempt FROM gristmill.jobs WHERE finished_at IS NULL")

    def _running(self) -> list[Any]:
        return self._select("SELECT id FROM gristmill.jobs WHERE state = 'running'")

    def _open_letters(self) -> list[UUID]:
        with self.database.transaction() as session:
            query = select(DeadLetter.id).where(DeadLetter.resolution.is_(None)).order_by(DeadLetter.created_at)
            return list(session.scalars(query))

    def _select(self, query: str) -> list[Any]:
        with self.database.transaction() as session:
            return list(session.execute(text(query)).all())


def _end(ctx: Context, ending: str) -> Any:
    if ending == "fail":
        raise TransientError(ending)
    if ending == "give up":
        raise PermanentError(ending)
    return {"discard": Discard("unwanted"), "cancel": Cancel("unwanted"), "good": {"attempt": ctx.attempt}}[ending]


@contextmanager
def model_tasks(interruptions: Interruptions) -> Iterator[None]:
    """Declare tasks that end each attempt as their arguments say, and that things may happen in the middle of."""

    def inside(ctx: Context, *, endings: list[str]) -> Any:
        interruptions.reach("handler")
        ending = endings[ctx.attempt - 1] if ctx.attempt <= len(endings) else "good"
        if ending == "snooze":
            return Snooze(timedelta(seconds=30))
        have_effect(ctx, "inside")
        interruptions.reach("handler after its effect")
        return _end(ctx, ending)

    def outside(ctx: Context, *, endings: list[str]) -> Any:
        interruptions.reach("handler")
        ending = endings[ctx.attempt - 1] if ctx.attempt <= len(endings) else "good"
        if ending == "snooze":
            return Snooze(timedelta(seconds=30))
        with ctx.transaction() as session:
            told = session.scalar(select(DemoEffect.id).where(DemoEffect.job_id == ctx.job_id))
        if told is None:
            have_effect(ctx, "outside")
        interruptions.reach("handler after its effect")
        return _end(ctx, ending)

    with (
        declared(inside, name="model.inside", bundle=4, retry=tasks.effect.retry),
        declared(outside, name="model.outside", effects="outside", retry=tasks.effect.retry),
    ):
        yield


def make_impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Wait less where nothing comes by itself, and let the broker's patience with a hint end within an example."""
    defaults = outages.patiently.__kwdefaults__
    assert defaults is not None
    monkeypatch.setitem(defaults, "patience", 1.0)
    monkeypatch.setattr(recorder_module, "MOST_REVIVALS", 2)
    monkeypatch.setattr("gristmill.workers.hint_size.TURN", math.inf)  # no clock decides what an example does


Action = Callable[[], object]
