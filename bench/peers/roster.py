"""The peers, and how each is set up: as its own documentation advises for jobs that must not be lost."""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from bench.peers.peer import ACCEPT, Spec

OURS: Final = "gristmill"
_QUORUM: Final = "RabbitMQ: quorum queue, persistent messages, publisher confirms"
_VALKEY: Final = "Valkey: append-only file, synced before each answer; noeviction"
_POSTGRES: Final = "Postgres: fsync and synchronous commits on"
_INSIDE: Final = "bench.peers.inside"


def may_lose_a_second(spec: Spec) -> Spec:
    """Return the same peer on a Valkey that syncs once a second, which BullMQ's guide finds enough."""
    return replace(
        spec,
        name=f"{spec.name}-everysec",
        title=f"{spec.title}, may lose 1 s",
        redis="everysec",
        setup="the same on a Valkey that syncs once a second: a crash of the machine may lose what came since",
    )


_PEERS: Final[tuple[Spec, ...]] = (
    Spec(
        name=OURS,
        title="Gristmill",
        environment=None,
        packages=("gristmill", "celery", "flask", "granian"),
        module="own",
        setup="called over HTTP: key, schema and quota are checked; job and outbox row in one commit. The relay "
        "publishes bundles of 250 to quorum queues with confirms; the effect and the job's end in one commit. Jobs "
        "that wait allow no bundles. Relay and maintenance run beside the worker; the relay is stopped with it, so "
        "that publishing counts as execution",
        backlog={"noop": 15_000, "effect": 10_000, "wait": 600},
    ),
    Spec(
        name="gristmill-alone",
        title="Gristmill, no bundles",
        environment=None,
        packages=("gristmill", "celery"),
        module="own",
        setup="the same with tasks that allow no bundles: each job is a message, a claim and a commit of its own",
        backlog={"noop": 1_000, "effect": 1_000},
        works=("noop", "effect", "idle"),
    ),
    Spec(
        name="flask-celery",
        title="Flask view + Celery",
        environment=None,
        packages=("flask", "flask-smorest", "celery", "gunicorn"),
        module="naive",
        setup="bench/ingress/baseline.py: the job checked, a row by SQLAlchemy, then `.delay()` with confirms; "
        "gunicorn, one process, 32 threads. A job is lost when it dies between the two. Its worker is plain Celery",
        works=ACCEPT,
    ),
    Spec(
        name="celery-stateful",
        title="Celery + state by hand",
        environment=None,
        packages=("celery", "kombu", "psycopg2-binary"),
        module="celery_stateful",
        setup=f"{_QUORUM}, late acks, reject on lost worker. INSERT before `.delay()`, UPDATE to running, UPDATE to "
        "done in the effect's transaction. A job is lost when its producer dies between the two writes",
        backlog={"noop": 1_500, "effect": 1_500, "wait": 700},
        tables="jobs",
    ),
    Spec(
        name="celery",
        title="Celery",
        environment=None,
        packages=("celery", "kombu", "psycopg2-binary"),
        module="celery_plain",
        setup=f"{_QUORUM}, late acks, reject on lost worker; no results, no state",
        backlog={"noop": 3_000, "effect": 2_500, "wait": 800},
    ),
    Spec(
        name="dramatiq",
        title="dramatiq",
        environment="dramatiq",
        packages=("dramatiq", "pika"),
        module="dramatiq_actors",
        workers=(("{bin}/dramatiq", f"{_INSIDE}.dramatiq_actors", "--processes", "2", "--threads", "1"),),
        setup="RabbitMQ: persistent messages, publisher confirms, acks after the actor; its durable classic queue (it "
        "declares no quorum queues by itself)",
        backlog={"noop": 4_000, "effect": 3_000, "wait": 800},
    ),
    Spec(
        name="rq",
        title="RQ",
        environment="rq",
        packages=("rq", "redis"),
        module="rq_jobs",
        redis="always",
        workers=(("{bin}/rq", "worker", "--quiet"),) * 2,
        setup=f"{_VALKEY}. Two `rq worker`, which fork a process for each job, as they do by default",
        backlog={"noop": 120, "effect": 100, "wait": 120},
    ),
    Spec(
        name="huey",
        title="huey",
        environment="huey",
        packages=("huey", "redis"),
        module="huey_tasks",
        redis="always",
        workers=(("{bin}/huey_consumer", f"{_INSIDE}.huey_tasks.huey", "--worker-type=process", "--workers=2", "-q"),),
        setup=f"{_VALKEY}. No acks: a job whose worker is killed is lost",
        backlog={"noop": 6_000, "effect": 3_000, "wait": 900},
    ),
    Spec(
        name="taskiq",
        title="taskiq",
        environment="taskiq",
        packages=("taskiq", "taskiq-aio-pika", "aio-pika"),
        module="taskiq_tasks",
        workers=(
            ("{bin}/taskiq", "worker", f"{_INSIDE}.taskiq_tasks:broker", "--workers", "2", "--max-async-tasks", "1"),
        ),
        setup=f"{_QUORUM} (its defaults), acks when the task has run; two processes, one coroutine at a time",
        backlog={"noop": 5_000, "effect": 3_000, "wait": 800},
    ),
    Spec(
        name="procrastinate",
        title="procrastinate",
        environment="procrastinate",
        packages=("procrastinate", "psycopg"),
        module="procrastinate_tasks",
        workers=(("{bin}/procrastinate", f"--app={_INSIDE}.procrastinate_tasks.app", "worker", "-c", "1"),) * 2,
        setup=f"{_POSTGRES}; LISTEN and NOTIFY; two processes, one job at a time",
        backlog={"noop": 1_000, "effect": 700, "wait": 400},
        tables="procrastinate_jobs CASCADE",
    ),
    Spec(
        name="pgqueuer",
        title="pgqueuer",
        environment="pgqueuer",
        packages=("pgqueuer", "asyncpg"),
        module="pgqueuer_jobs",
        processes=2,
        setup=f"{_POSTGRES}; tables logged; two processes, ten jobs fetched at once (its default), "
        "handlers one after the other",
        backlog={"noop": 3_000, "effect": 2_000, "wait": 800},
        tables="pgqueuer CASCADE",
    ),
    Spec(
        name="bullmq",
        title="BullMQ",
        language="node",
        environment="bullmq",
        packages=("bullmq", "ioredis"),
        module="bullmq.mjs",
        redis="always",
        processes=2,
        setup=f"{_VALKEY}; two processes, concurrency 1",
        backlog={"noop": 2_500, "effect": 1_200, "wait": 700},
    ),
    Spec(
        name="pg-boss",
        title="pg-boss",
        language="node",
        environment="pg-boss",
        packages=("pg-boss", "pg"),
        module="pg-boss.mjs",
        processes=2,
        setup=f"{_POSTGRES}; LISTEN and NOTIFY on. 100 jobs a fetch with a result for each, and at once again "
        "while fetches are full (by default it polls for one job every two seconds). Two processes, handlers one after "
        "the other",
        backlog={"noop": 10_000, "effect": 5_000, "wait": 900},
        tables="pgboss.job CASCADE",
    ),
    Spec(
        name="graphile-worker",
        title="Graphile Worker",
        language="node",
        environment="graphile-worker",
        packages=("graphile-worker", "pg"),
        module="graphile-worker.mjs",
        processes=2,
        setup=f"{_POSTGRES}; LISTEN and NOTIFY. Local queue of 100 and ends written in batches, as its page on "
        "performance advises (a killed worker's jobs wait four hours). Two processes, one job at a time",
        backlog={"noop": 10_000, "effect": 5_000, "wait": 900},
        tables="graphile_worker._private_jobs CASCADE",
    ),
)
PEERS: Final = tuple(each for spec in _PEERS for each in ([spec, may_lose_a_second(spec)] if spec.redis else [spec]))
BY_NAME: Final[dict[str, Spec]] = {spec.name: spec for spec in PEERS}
