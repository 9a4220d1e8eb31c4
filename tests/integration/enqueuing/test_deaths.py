"""An application that is killed between its row and its job, or around the commit, leaves both or neither."""

import signal
import subprocess
import sys

import pytest

from tests.eventually import eventually
from tests.integration.enqueuing.adapters import require
from tests.integration.enqueuing.application import Application

DIE = """
import os, signal, sys
from gristmill import enqueue
url, point = sys.argv[1:]

def reach(name):
    if name == point:
        os.kill(os.getpid(), signal.SIGKILL)
"""
SQLALCHEMY = """
from sqlalchemy import create_engine, text
from sqlalchemy.orm import Session
with Session(create_engine(url.replace("postgresql", "postgresql+psycopg2"))) as session:
    session.execute(text("INSERT INTO shop.orders VALUES (7)"))
    reach("after the row")
    enqueue(session, "demo.echo", message="7")
    reach("after the job")
    session.commit()
    reach("after the commit")
"""
PSYCOPG2 = """
import psycopg2
connection = psycopg2.connect(url)
connection.cursor().execute("INSERT INTO shop.orders VALUES (7)")
reach("after the row")
enqueue(connection, "demo.echo", message="7")
reach("after the job")
connection.commit()
reach("after the commit")
"""
DJANGO = """
from django.conf import settings
from sqlalchemy.engine import make_url
parts = make_url(url)
settings.configure(DATABASES={"default": {
    "ENGINE": "django.db.backends.postgresql", "NAME": parts.database, "USER": parts.username,
    "PASSWORD": parts.password, "HOST": parts.host, "PORT": parts.port}})
from django.db import connection, transaction
with transaction.atomic():
    connection.cursor().execute("INSERT INTO shop.orders VALUES (7)")
    reach("after the row")
    enqueue(connection, "demo.echo", message="7")
    reach("after the job")
reach("after the commit")
"""
APPLICATIONS = {"SQLAlchemy": SQLALCHEMY, "psycopg2": PSYCOPG2, "Django": DJANGO}
POINTS = {"after the row": 0, "after the job": 0, "after the commit": 1}


@pytest.mark.parametrize("library", APPLICATIONS)
def test_a_killed_application_leaves_its_row_and_its_job_or_neither(application: Application, library: str) -> None:
    require(library)
    for point, left in POINTS.items():
        program = [sys.executable, "-c", DIE + APPLICATIONS[library], application.url, point]
        killed = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
        assert killed.returncode == -signal.SIGKILL, killed.stderr
        eventually(lambda: not application.rows("SELECT FROM pg_stat_activity WHERE usename = %s", application.role))
        assert (point, len(application.orders()), len(application.jobs())) == (point, left, left)
        assert len(application.rows("SELECT FROM gristmill.outbox")) == left


HEAVY = ("flask", "celery", "kombu", "redis", "structlog", "environs", "psycopg2", "sqlalchemy", "cryptography")
LIGHT = f"""
import os, sys
for name in list(os.environ):
    if name.startswith("GRISTMILL_"):
        del os.environ[name]
from gristmill import JobOptions, enqueue, task
assert not (loaded := [name for name in {HEAVY!r} if name in sys.modules]), loaded
import psycopg
with psycopg.connect(sys.argv[1]) as connection:
    print(enqueue(connection, "demo.echo", JobOptions(tags=("a",)), message="x"))
assert not (loaded := [name for name in {HEAVY!r} if name in sys.modules]), loaded
"""


def test_it_loads_and_needs_nothing_but_the_database(application: Application) -> None:
    require("psycopg")
    program = [sys.executable, "-c", LIGHT, application.url]
    done = subprocess.run(program, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr
    assert application.rows("SELECT id::text FROM gristmill.jobs") == [(done.stdout.strip(),)]
