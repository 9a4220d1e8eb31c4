"""Celery with the state that teams write by hand: a row before `.delay()`, `running`, then `done` with the effect."""

from __future__ import annotations

import os
import threading
import time
from contextlib import closing
from typing import Any
from uuid import uuid4

import psycopg2
from celery import Celery

from bench.peers.inside import work
from bench.peers.inside.celery_plain import DURABLE
from bench.peers.inside.serving import Producer, serve

app = Celery("stateful", broker=work.AMQP)
app.conf.update(DURABLE)
_own = threading.local()


@app.task(name="stateful.run")
def run(job_id: str) -> None:
    """Do one job, and write down what became of it."""
    database = _connection()
    with database, database.cursor() as cursor:
        cursor.execute(
            "UPDATE gristmill.jobs SET state = 'running', started_at = now() WHERE id = %s AND state <> 'done' "
            "RETURNING kind, sent",
            (job_id,),
        )
        found = cursor.fetchone()
    if found is None:  # it was delivered twice, and done
        return
    kind, sent = found
    work.mark(sent)
    if kind == "wait":
        time.sleep(work.WAIT)
    with database, database.cursor() as cursor:
        if kind == "effect":
            cursor.execute(work.INSERT.format("%s"), (sent,))
        cursor.execute("UPDATE gristmill.jobs SET state = 'done', finished_at = now() WHERE id = %s", (job_id,))


def produce() -> None:
    """Be the producer."""
    with closing(psycopg2.connect(work.DATABASE)) as database, database, database.cursor() as cursor:
        cursor.execute(
            "CREATE TABLE jobs (id uuid PRIMARY KEY, kind text NOT NULL, sent float8 NOT NULL, state text NOT NULL, "
            "created_at timestamptz NOT NULL DEFAULT now(), started_at timestamptz, finished_at timestamptz)"
        )
    serve(Producer(one=_post))


def consume() -> None:
    """Be the worker."""
    app.Worker(concurrency=2, loglevel="WARNING").start()


def _post(kind: str, sent: float) -> None:
    job_id = str(uuid4())
    database = _connection()
    with database, database.cursor() as cursor:
        cursor.execute(
            "INSERT INTO gristmill.jobs (id, kind, sent, state) VALUES (%s, %s, %s, 'queued')", (job_id, kind, sent)
        )
    run.delay(job_id)


def _connection() -> Any:
    """Return a connection of this thread of this process."""
    if getattr(_own, "pid", None) != os.getpid():
        _own.pid, _own.connection = os.getpid(), psycopg2.connect(work.DATABASE)
    return _own.connection
