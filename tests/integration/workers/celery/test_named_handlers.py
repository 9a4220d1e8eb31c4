"""A handler that is named by text: workers import it at their start, everybody else does without."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from uuid import UUID

import pytest
from marshmallow import Schema, fields

from gristmill.shared.database.connect import Database
from gristmill.shared.settings import environment
from gristmill.shared.states import State
from gristmill.shared.task import Registry, task
from tests.cluster import Cluster, Member, cluster
from tests.eventually import eventually
from tests.factories import find, have_ended, post, reached

JOBS: Final = """
from gristmill import task
from marshmallow import Schema, fields
class PayArgs(Schema):
    amount = fields.Decimal(required=True)
pay = task(name="invoice.pay", queue="data_processing_queue", args=PayArgs, handler="heavy:pay", summary="Pay.")
"""
HEAVY: Final = """
def pay(ctx, *, amount):
    return [type(amount).__name__, str(amount), str(amount * 3)]
"""
LOOK: Final = """
import sys
from gristmill.ingress.app import create_app
from gristmill.shared.settings import load_settings
app = create_app(load_settings())
print('"invoice.pay"' in app.test_client().get("/openapi.json").get_data(as_text=True), "heavy" in sys.modules)
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    (tmp_path / "pyproject.toml").write_text('[tool.gristmill]\nplugin = "mill:plugin"\n')
    (tmp_path / "mill.py").write_text('from gristmill import Plugin\nplugin = Plugin(name="shop", tasks=["jobs"])\n')
    (tmp_path / "jobs.py").write_text(JOBS)
    (tmp_path / "heavy.py").write_text(HEAVY)
    return tmp_path


@pytest.fixture
def mill(database_url: str, rabbitmq_url: str, tmp_path: Path) -> Iterator[tuple[Database, Cluster]]:
    with (
        reached(database_url, environment={"GRISTMILL_BROKER_URL": rabbitmq_url}) as database,
        cluster(tmp_path / "logs", database.settings) as made,
    ):
        yield database, made


def worker(mill: Cluster, project: Path) -> Member:
    member = mill.worker(concurrency=1)
    member.folder = project
    code = f"import os, runpy; os.chdir({str(project)!r}); runpy.run_module('gristmill', run_name='__main__')"
    member.program = [sys.executable, "-c", code]
    return member


def pay(database: Database, amount: Any) -> UUID:
    schema = Schema.from_dict({"amount": fields.Decimal(required=True)})
    options: Any = {"name": "invoice.pay", "queue": "data_processing_queue", "args": schema}
    named = task(**options, handler="heavy:pay", summary="Pay.", into=Registry())
    return post(database, named, amount=amount)


@pytest.mark.timeout(300, method="thread")
def test_a_worker_runs_it_and_hands_it_the_exact_amount(mill: tuple[Database, Cluster], project: Path) -> None:
    database, processes = mill
    processes.relay()
    worker(processes, project)
    processes.up()
    amount = "12345678901234567890.10"
    job = pay(database, amount)
    eventually(lambda: have_ended(database, job))
    done = find(database, job)
    assert done.state == State.SUCCEEDED
    assert done.result == ["Decimal", amount, "37037036703703703670.30"]
    assert "heavy" not in sys.modules


def test_a_worker_whose_handler_cannot_be_imported_stops_with_the_traceback_and_the_task(
    mill: tuple[Database, Cluster], project: Path
) -> None:
    (project / "heavy.py").write_text("import nowhere\n")
    member = worker(mill[1], project)
    member.start()
    assert member.wait() != 0
    assert "heavy.py" in member.output
    assert "ModuleNotFoundError: No module named 'nowhere'" in member.output
    assert "@task invoice.pay: importing its handler heavy:pay" in member.output


def test_a_worker_whose_handler_does_not_fit_the_schema_stops(mill: tuple[Database, Cluster], project: Path) -> None:
    (project / "heavy.py").write_text("def pay(ctx, *, sum): ...\n")
    member = worker(mill[1], project)
    member.start()
    assert member.wait() != 0
    assert "@task invoice.pay: handler and schema differ: the handler lacks ['amount']" in member.output


def test_the_ingress_shows_the_task_and_does_not_import_the_module(database_url: str, project: Path) -> None:
    with reached(database_url) as database:
        given = {"PATH": os.environ["PATH"], **environment(database.settings)}
    seen = subprocess.run(
        [sys.executable, "-c", LOOK], cwd=project, env=given, capture_output=True, text=True, check=False, timeout=120
    )
    assert seen.stdout.split() == ["True", "False"], seen.stderr
