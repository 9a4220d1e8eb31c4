"""A model of a job's life: whatever is lost, doubled, reordered or dies in between, each job ends, and once."""

import os
import random
from collections.abc import Iterator
from contextlib import ExitStack, suppress
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    get_state_machine_test,
    initialize,
    invariant,
    multiple,
    rule,
)
from sqlalchemy.exc import OperationalError

from gristmill.services.postgres import Postgres
from gristmill.shared.jobs.enqueue import JobOptions
from gristmill.workers.relay.hint import Hint
from tests.factories import own_database, reached
from tests.model.interruptions import Interruptions, die
from tests.model.mill import LEASE, PRODUCER, Action, Mill, make_impatient, model_tasks

_COMMON: Final = settings(
    deadline=None,  # an example takes as long as its database
    print_blob=True,
    database=None,  # examples are repeated by their seed, which is printed
    suppress_health_check=list(HealthCheck),
)
PROFILES: Final = {
    "ci": settings(_COMMON, max_examples=30, stateful_step_count=30, phases=[Phase.generate]),
    "find": settings(_COMMON, max_examples=400, stateful_step_count=40),
    "long": settings(_COMMON, max_examples=2_000, stateful_step_count=60),
}
PROFILE: Final = os.environ.get("HYPOTHESIS_PROFILE", "ci")

IN_A_WORKER: Final = [
    "executor.before_claim",
    "executor.after_claim",
    "handler",
    "handler after its effect",
    "executor.after_handler",
    "executor.before_commit",
    "executor.after_commit",
    "settle.before_failure",
    "settle.after_failure",
    "callback.before_enqueue",
    "callback.after_enqueue",
    "settle.before_giving_back",
    "settle.after_giving_back",
]
IN_A_RELAY: Final = ["relay.before_publish", "relay.after_publish", "relay.after_commit"]
IN_A_LOOP: Final = [
    "reconciler.before_commit",
    "reconciler.after_commit",
    "recorder.before_commit",
    "recorder.before_ack",
    "callback.before_enqueue",
    "callback.after_enqueue",
]
# Where others can come in between: mostly no row is locked there.
BETWEEN: Final = [
    "executor.before_claim",
    "executor.after_claim",
    "handler",
    "handler",
    "handler",
    "handler after its effect",
    "handler after its effect",
    "executor.after_handler",
    "executor.after_commit",
    "settle.before_failure",
    "settle.after_failure",
    "settle.after_giving_back",
]
MEANWHILE: Final = [
    "another takes over",
    "another takes over",
    "another takes over",
    "a lease passes",
    "an hour passes",
    "publish",
    "deliver",
    "record",
    "reconcile",
    "look",
    "cancel",
    "redrive",
    "pause",
    "resume",
    "release",
    "tell to stop",
]
ENDINGS: Final = ["good", "fail", "snooze", "give up", "discard", "cancel"]
TASK: Final = st.sampled_from(["model.inside", "model.outside"])
SECONDS: Final = [1, 3, 8, 8, 40, 40, LEASE + 1, LEASE + 1, 22_000]  # the last is beyond any time to live


class Lifecycle(RuleBasedStateMachine):
    """Producers, relays, workers, operators and the repair loops, in any order."""

    jobs: Bundle[UUID] = Bundle("jobs")

    def __init__(self, mill: Mill) -> None:
        super().__init__()
        self.mill = mill
        self.number = 0

    @initialize(
        target=jobs,
        posts=st.lists(
            st.tuples(TASK, st.lists(st.sampled_from(ENDINGS), min_size=1, max_size=3)), min_size=1, max_size=4
        ),
    )
    def begin(self, posts: list[tuple[str, list[str]]]) -> Any:
        """Begin in the middle: some jobs are posted, and their hints are on their way."""
        self.mill.reset()
        accepted = [self.accept(task, endings, 0, None, False, True, None) for task, endings in posts]
        self.mill.publish(bundles=True)
        return multiple(*accepted)

    @rule(
        target=jobs,
        task=TASK,
        endings=st.lists(st.sampled_from(ENDINGS), min_size=1, max_size=3),
        delay=st.sampled_from([0, 0, 30]),
        lasts=st.sampled_from([None, None, 60]),
        high=st.booleans(),
        calls_back=st.booleans(),
        dies=st.sampled_from([None, None, "accept.before_commit", "accept.after_commit"]),
    )
    def accept(
        self,
        task: str,
        endings: list[str],
        delay: int,
        lasts: int | None,
        high: bool,
        calls_back: bool,
        dies: str | None,
    ) -> UUID:
        self.number += 1
        options = JobOptions(
            delay=timedelta(seconds=delay) if delay else None,
            priority="high" if high else "normal",
            expires_at=datetime.now(UTC) + timedelta(seconds=lasts) if lasts else None,
            producer_id=PRODUCER,
            callback_url="https://shop.example/hook" if calls_back else None,  # a producer that is not there: it dies
        )
        self.mill.interruptions.plan(dies, die)
        return self.mill.accept(f"key-{self.number}", task, {"endings": endings}, options)

    @rule(
        dies=st.none() | st.sampled_from(IN_A_RELAY), refuses_after=st.none() | st.integers(0, 2), bundles=st.booleans()
    )
    def publish(self, dies: str | None, refuses_after: int | None, bundles: bool) -> None:
        self.mill.interruptions.plan(dies, die)
        self.mill.broker.refuses_after = refuses_after
        self.mill.publish(bundles=bundles)

    @rule(position=st.integers(0, 9), dies=st.none() | st.sampled_from(IN_A_WORKER))
    def deliver(self, position: int, dies: str | None) -> None:
        if hint := self._take(position):
            self.mill.interruptions.plan(dies, die)
            self.mill.deliver(hint)

    @rule(position=st.integers(0, 9), stops_after=st.integers(0, 2), dies=st.none() | st.sampled_from(IN_A_WORKER))
    def deliver_to_one_that_is_told_to_stop(self, position: int, stops_after: int, dies: str | None) -> None:
        if hint := self._take(position):
            self.mill.interruptions.plan(dies, die)
            self.mill.deliver(hint, stops_after=stops_after)

    @rule(
        position=st.integers(0, 9),
        point=st.sampled_from(BETWEEN),
        meanwhile=st.lists(st.sampled_from(MEANWHILE), min_size=1, max_size=5),
        dies=st.sampled_from([False, False, True]),
    )
    def deliver_while_others_act(self, position: int, point: str, meanwhile: list[str], dies: bool) -> None:
        """The worker stands still for a while: its lease may end, and its hint come to another."""

        def act() -> None:
            for name in meanwhile:
                with suppress(OperationalError):  # a lock is held here (a bundle's snooze): they give up
                    self._act(name)
            if dies:
                die()

        if hint := self._take(position):
            self.mill.broker.ready.append(hint)
            self.mill.interruptions.plan(point, act)
            self.mill.deliver(hint)

    @rule(
        position=st.integers(0, 9),
        mishap=st.sampled_from(["lost", "all lost", "doubled", "expired", "delivery_limit", "rejected"]),
    )
    def a_hint_goes_astray(self, position: int, mishap: str) -> None:
        hint = self._take(position)
        if mishap == "all lost":
            self.mill.broker.ready.clear()
        elif hint is not None and mishap == "doubled":
            self.mill.broker.ready += [hint, hint]
        elif hint is not None and mishap != "lost":
            self.mill.broker.bury(hint, mishap)

    @rule(
        loop=st.sampled_from(["reconcile", "reconcile", "record", "look", "look twice", "repair"]),
        dies=st.none() | st.sampled_from(IN_A_LOOP),
    )
    def a_loop_comes_round(self, loop: str, dies: str | None) -> None:
        self.mill.interruptions.plan(dies, die)
        self._act(loop)

    @rule(
        act=st.sampled_from(["cancel", "run now", "redrive", "redrive", "discard"]),
        job=jobs,
        dies=st.sampled_from([None, None, "redrive.before_commit"]),
    )
    def somebody_steps_in(self, act: str, job: UUID, dies: str | None) -> None:
        self.mill.interruptions.plan(dies, die)
        if act == "cancel":
            self.mill.cancel(job)
        elif act == "run now":
            self.mill.run_now(job)
        else:
            self.mill.resolve_letters(discard=act == "discard")

    @rule(act=st.sampled_from(["pause", "pause", "resume", "release", "expire what is held"]))
    def a_queue_is_paused_or_goes_on(self, act: str) -> None:
        self._act(act)

    @rule(seconds=st.sampled_from(SECONDS))
    def time_passes(self, seconds: float) -> None:
        self.mill.pass_time(seconds)

    def _take(self, position: int) -> Hint | None:
        if not self.mill.broker.ready:
            self.mill.publish()
        return self.mill.broker.take(position) if self.mill.broker.ready else None

    def _act(self, name: str) -> None:
        actions: dict[str, Action] = {
            "another takes over": self.mill.take_over,
            "a lease passes": lambda: self.mill.pass_time(LEASE + 1),
            "an hour passes": lambda: self.mill.pass_time(4000),
            "publish": self.mill.publish,
            "deliver": self.mill.deliver_all,
            "record": self.mill.record,
            "reconcile": self.mill.reconcile,
            "look": self.mill.look,
            "look twice": lambda: self.mill.look() + self.mill.look(),
            "repair": self.mill.repair,
            "cancel": self.mill.cancel_all,
            "redrive": lambda: self.mill.resolve_letters(discard=False),
            "pause": self.mill.pause,
            "resume": self.mill.resume,
            "release": self.mill.release,
            "tell to stop": self.mill.stop_busy,
            "expire what is held": self.mill.expire_held,
        }
        actions[name]()

    @invariant()
    def nothing_is_broken(self) -> None:
        self.mill.check()

    def teardown(self) -> None:
        self.mill.drain()
        self.mill.check()


@pytest.fixture
def mill(postgres_server: Postgres, migrated_template: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Mill]:
    interruptions = Interruptions()
    interruptions.install(monkeypatch)
    make_impatient(monkeypatch)
    with ExitStack() as stack:
        url = stack.enter_context(own_database(postgres_server, migrated_template))
        databases = [stack.enter_context(reached(url, lease=LEASE, lock_timeout=0.3)) for _ in range(3)]
        stack.enter_context(model_tasks(interruptions))
        yield Mill(databases, interruptions)


@pytest.mark.timeout(900 if PROFILE == "ci" else 24 * 3600, method="thread")
def test_every_job_ends_and_its_effects_happen_once(mill: Mill) -> None:
    live(mill, PROFILE)


@pytest.mark.long
@pytest.mark.timeout(3600, method="thread")
def test_every_job_ends_and_its_effects_happen_once_in_many_lives(mill: Mill) -> None:
    live(mill, "find")


def live(mill: Mill, profile: str) -> None:
    """Try as many lives as the profile says."""
    chosen = int(os.environ.get("GRISTMILL_MODEL_SEED", "0")) or random.SystemRandom().randrange(1, 2**32)
    print(f"To repeat this run: GRISTMILL_MODEL_SEED={chosen} HYPOTHESIS_PROFILE={profile} pytest tests/model")  # noqa: T201
    test = get_state_machine_test(
        lambda: Lifecycle(mill),  # type: ignore[arg-type]  # annotated as a class; its documentation allows a function
        settings=PROFILES[profile],
    )
    seed(chosen)(test)()
