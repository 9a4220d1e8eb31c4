"""For each crash point: which process dies there, what brings it there, and what must be true in the end."""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Final
from uuid import UUID

import httpx
import kombu
from sqlalchemy import func, select, text
from uuid_utils.compat import uuid7

from gristmill.shared.database.clock import read_clock
from gristmill.shared.database.connect import Database
from gristmill.shared.dead_letters.models import DeadLetter
from gristmill.shared.jobs import callbacks
from gristmill.shared.jobs.enqueue import JobOptions
from gristmill.shared.jobs.models import Job
from gristmill.shared.queues import QUEUES
from gristmill.shared.schedules.models import Fire, Schedule
from gristmill.shared.states import State
from gristmill.workers.celery.app import make_app
from gristmill.workers.relay.hint import Hint, message_of
from tests import platform_tasks as tasks
from tests.cluster import Cluster
from tests.crash.victims import DATA, Victim
from tests.eventually import eventually
from tests.factories import effects, insert_job, post, post_bundle

TOLD: Final = "Warm shutdown"  # what Celery says in its handler of SIGTERM
PATIENT: Final = JobOptions(max_attempts=20)  # a victim's children may die some more before it is stopped


@dataclass
class Ledger:
    """What one scenario has set going, by hand and by the platform, and how it has to end."""

    database: Database
    cluster: Cluster
    broker_url: str
    headers: dict[str, str]
    key: str = field(default_factory=lambda: uuid7().hex)
    jobs: dict[UUID, State] = field(default_factory=dict)
    posted: list[str] = field(default_factory=list)
    schedules: list[str] = field(default_factory=list)

    def post_effect(self) -> UUID:
        job = post(self.database, tasks.effect, PATIENT, key=self.key)
        self.jobs[job] = State.SUCCEEDED
        return job

    def effects_expected(self) -> int:
        """As many as jobs of our key that are to succeed."""
        with self.database.transaction() as session:
            query = select(Job.id).where(Job.args["key"].astext == self.key)
            made = set(session.scalars(query))
        return sum(self.jobs.get(job, State.SUCCEEDED) is State.SUCCEEDED for job in made)

    def is_quiet(self) -> bool:
        """Whether every job has ended and no schedule is due; nobody is there to make callbacks."""
        with self.database.transaction() as session:
            live = session.scalars(
                select(Job.id).where(Job.finished_at.is_(None), Job.task != callbacks.TASK).limit(1)
            ).all()
            due = session.scalars(select(Schedule.name).where(Schedule.next_fire_at <= func.now()).limit(1)).all()
        return not live and not due

    def check(self) -> None:
        """Exact: the ends of all jobs, their effects, letters of the dead, jobs of fires, and callbacks."""
        with self.database.transaction() as session:
            states = {job.id: job.state for job in session.scalars(select(Job).where(Job.id.in_(self.jobs)))}
            letters = session.execute(
                text(
                    "SELECT job_id, count(*) FROM gristmill.dead_letters "
                    "WHERE job_id IS NOT NULL AND resolution IS NULL GROUP BY 1"
                )
            ).all()
            dead = set(session.scalars(select(Job.id).where(Job.state == State.DEAD)))
            fires = session.execute(select(Fire.schedule, Fire.job_id).where(Fire.schedule.in_(self.schedules))).all()
            keyed = session.execute(
                text("SELECT key, count(*) FROM gristmill.idempotency_keys WHERE key = ANY(:keys) GROUP BY 1"),
                {"keys": self.posted},
            ).all()
            calls = session.execute(
                text(
                    "SELECT ended.id, ended.callback_url IS NOT NULL, count(delivery.id) FROM gristmill.jobs ended "
                    "LEFT JOIN gristmill.jobs delivery ON delivery.parent_id = ended.id AND delivery.task = :task "
                    "WHERE ended.id = ANY(:ids) GROUP BY 1"
                ),
                {"task": callbacks.TASK, "ids": list(self.jobs)},
            ).all()
        assert states == self.jobs
        assert [row for row in calls if row[2] != row[1]] == []
        assert {row[0]: row[1] for row in letters} == dict.fromkeys(dead, 1)
        assert effects(self.database, self.key) == self.effects_expected()
        assert sorted(fire.schedule for fire in fires) == sorted(self.schedules)
        assert len({fire.job_id for fire in fires} - {None}) == len(self.schedules)
        assert {row[0]: row[1] for row in keyed} == dict.fromkeys(self.posted, 1)


Poke = Callable[[Ledger, list[Victim]], None]


@dataclass(frozen=True)
class Scenario:
    """`poke` is called again and again until the victims are dead."""

    kind: str
    poke: Poke


def post_over_http(ledger: Ledger, victims: list[Victim]) -> None:
    """Post to each victim; who gets no answer posts again elsewhere, under the same key."""
    for victim in victims:
        key = uuid7().hex
        ledger.posted.append(key)
        for url in (victim.url, ledger.cluster.url):
            with suppress(httpx.TransportError):
                answer = httpx.post(
                    f"{url}/api/v1/jobs",
                    json={"task": "demo.effect", "args": {"key": ledger.key}, "max_attempts": 20},
                    headers={**ledger.headers, "Idempotency-Key": key},
                    trust_env=False,
                    timeout=60,
                )
                assert answer.status_code == httpx.codes.ACCEPTED, answer.text
                ledger.jobs[UUID(answer.json()["id"])] = State.SUCCEEDED
                break


def post_effects(ledger: Ledger, _: list[Victim]) -> None:
    for _each in range(2):
        ledger.post_effect()


def post_failures(ledger: Ledger, _: list[Victim]) -> None:
    ledger.jobs[post(ledger.database, tasks.fail, PATIENT, times=1)] = State.SUCCEEDED
    ledger.jobs[post(ledger.database, tasks.fail, PATIENT, times=-1, kind="permanent")] = State.DEAD
    ledger.post_effect()


def post_calling_back(ledger: Ledger, _: list[Victim]) -> None:
    """Post jobs whose ends are to be told: a success, whose effect and delivery are one commit, and a death."""
    calling = replace(PATIENT, callback_url="https://shop.example/hook")
    ledger.jobs[post(ledger.database, tasks.effect, calling, key=ledger.key)] = State.SUCCEEDED
    ledger.jobs[post(ledger.database, tasks.fail, calling, times=-1, kind="permanent")] = State.DEAD


def stop_in_a_bundle(ledger: Ledger, victims: list[Victim]) -> None:
    """Ask the victims to end that stand in the first job of a bundle of two tasks: each gives jobs of both back.

    They are given bundles while they are idle: in the middle of one, the lock would hold them where little is left.
    """
    slow, quick = (tasks.linger, {"key": ledger.key, "seconds": 0.1}), (tasks.effect, {"key": ledger.key})
    eventually(lambda: not holders(ledger, victims, least=1), within=30)
    with ledger.database.session() as session, session.begin():
        session.execute(text("LOCK TABLE gristmill.demo_effects IN ACCESS EXCLUSIVE MODE"))  # where the first job waits
        for _each in range(len(victims) + 1):  # the twin that stands still may get one, too
            made = post_bundle(ledger.database, slow, slow, quick, quick, options=PATIENT)
            ledger.jobs |= dict.fromkeys(made, State.SUCCEEDED)
        told = eventually(lambda: holders(ledger, victims, least=4), within=5)
        for victim in told:
            victim.member.terminate()
        eventually(lambda: all(TOLD in victim.member.output for victim in told))


def holders(ledger: Ledger, victims: list[Victim], *, least: int) -> list[Victim]:
    """Return those of the victims that hold so many jobs: of one that came back alone nothing could be given back."""
    query = select(Job.worker).where(Job.state == State.RUNNING).group_by(Job.worker).having(func.count() >= least)
    with ledger.database.transaction() as session:
        pids = {str(worker).rpartition(":")[2] for worker in session.scalars(query)}
    return [victim for victim in victims if pids & {str(child.pid) for child in victim.workers}]


def lose_workers(ledger: Ledger, _: list[Victim]) -> None:
    """Leave running jobs behind whose worker is not heard of again; the last one has no attempt left."""
    for most, end in ((20, State.SUCCEEDED), (1, State.DEAD)):
        job = insert_job(
            ledger.database,
            state=State.RUNNING,
            task="demo.effect",
            args={"key": ledger.key},
            max_attempts=most,
            worker="lost@nowhere",
            lease_until=text("clock_timestamp() - interval '1 second'"),
        )
        ledger.jobs[job] = end


def make_schedules(ledger: Ledger, _: list[Victim]) -> None:
    """Have another schedule be due once, in every round."""
    name = f"crash-{uuid7().hex}"
    ledger.schedules.append(name)
    with ledger.database.transaction() as session:
        now = read_clock(session)
        args = {"key": ledger.key}
        session.add(Schedule(name=name, every=3600.0, task="demo.effect", args=args, next_fire_at=now))


def bury_hints(ledger: Ledger, _: list[Victim]) -> None:
    """Put into the dead-letter queue: the only hint of a job that waits, and that of a job that is dead."""
    lost = insert_job(
        ledger.database, state=State.QUEUED, attempt=0, task="demo.effect", args={"key": ledger.key}, max_attempts=20
    )
    dead = post(ledger.database, tasks.fail, times=-1, kind="permanent")
    ledger.jobs |= {lost: State.SUCCEEDED, dead: State.DEAD}
    bury(ledger, lost)


def bury(ledger: Ledger, job: UUID) -> None:
    app = make_app(ledger.database.settings)
    headers, properties, body = message_of(app, Hint("demo.effect", DATA, (job,)))
    with kombu.Connection(ledger.broker_url) as connection:
        producer = kombu.Producer(connection.default_channel)
        producer.publish(
            body,
            content_type="application/json",
            content_encoding="utf-8",
            headers=headers,
            routing_key=QUEUES[DATA].dead_letter_queue,
            correlation_id=properties["correlation_id"],
        )


def redrive_over_http(ledger: Ledger, victims: list[Victim]) -> None:
    """Redrive a dead job at each victim; who gets no answer asks again elsewhere, where it may be done already."""
    for victim in victims:
        job = insert_job(
            ledger.database,
            state=State.DEAD,
            attempt=1,
            task="demo.effect",
            args={"key": ledger.key},
            max_attempts=20,
        )
        letter = _give_letter(ledger.database, job)
        ledger.jobs[job] = State.SUCCEEDED
        for url in (victim.url, ledger.cluster.url):
            with suppress(httpx.TransportError):
                answer = httpx.post(
                    f"{url}/api/v1/dead-letters/{letter}/redrive", headers=ledger.headers, trust_env=False, timeout=60
                )
                assert answer.status_code in (httpx.codes.ACCEPTED, httpx.codes.CONFLICT), answer.text
                break


def _give_letter(database: Database, job: UUID) -> UUID:
    letter = uuid7()
    with database.transaction() as session:
        session.add(
            DeadLetter(
                id=letter,
                job_id=job,
                task="demo.effect",
                queue=DATA,
                reason="exhausted",
                fingerprint="f" * 16,
                attempts=1,
            )
        )
    return letter


SCENARIOS: Final[dict[str, Scenario]] = {
    "accept.before_commit": Scenario("web", post_over_http),
    "accept.after_commit": Scenario("web", post_over_http),
    "relay.before_publish": Scenario("relay", post_effects),
    "relay.after_publish": Scenario("relay", post_effects),
    "relay.after_commit": Scenario("relay", post_effects),
    "executor.before_claim": Scenario("worker", post_effects),
    "executor.after_claim": Scenario("worker", post_effects),
    "executor.after_handler": Scenario("worker", post_effects),
    "executor.before_commit": Scenario("worker", post_effects),
    "executor.after_commit": Scenario("worker", post_effects),
    "settle.before_failure": Scenario("worker", post_failures),
    "settle.after_failure": Scenario("worker", post_failures),
    "callback.before_enqueue": Scenario("worker", post_calling_back),
    "callback.after_enqueue": Scenario("worker", post_calling_back),
    "settle.before_giving_back": Scenario("worker", stop_in_a_bundle),
    "settle.after_giving_back": Scenario("worker", stop_in_a_bundle),
    "reconciler.before_commit": Scenario("maintenance", lose_workers),
    "reconciler.after_commit": Scenario("maintenance", lose_workers),
    "beat.before_commit": Scenario("beat", make_schedules),
    "beat.after_commit": Scenario("beat", make_schedules),
    "recorder.before_commit": Scenario("maintenance", bury_hints),
    "recorder.before_ack": Scenario("maintenance", bury_hints),
    "redrive.before_commit": Scenario("web", redrive_over_http),
}
