"""The applications of examples/, each in an environment of its own, followed as its README is written.

A row of the application and its job exist together or not at all, whenever the process of the web application dies.
"""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path
from typing import NamedTuple

import psycopg2
import pytest

from tests.acceptance.project.built_wheel import build_wheel
from tests.acceptance.project.web_application import Example, WebApplication, serving
from tests.eventually import eventually

pytestmark = [pytest.mark.long, pytest.mark.timeout(1_800)]

KEY = 46_046  # of the advisory lock that the test holds
EXAMPLES = [
    Example(
        folder="flask_app",
        path="/orders",
        table="orders",
        task="order.confirm",
        argument="order_id",
        accepted={"book_id": 1, "email": "ada@example.com"},
        refused={"book_id": 2, "email": "ada@example.com"},
    ),
    Example(
        folder="django_app",
        path="/bookings",
        table="bookings_booking",
        task="booking.confirm",
        argument="booking_id",
        accepted={"guest": "Ada", "email": "ada@example.com", "night": "2031-01-01"},
        refused={"guest": "Ada", "email": "ada@example.com", "night": "2031-01-02"},
        before_refusal="INSERT INTO bookings_night (date, rooms) VALUES ('2031-01-01', 100), ('2031-01-02', 0)"
        " ON CONFLICT DO NOTHING",
    ),
    Example(
        folder="psycopg_app",
        path="/transfers",
        table="transfers",
        task="transfer.settle",
        argument="transfer_id",
        accepted={"payer": "ada", "payee": "bob", "cents": 100},
        refused={"payer": "ada", "payee": "bob", "cents": 10_001},
    ),
]


class Moment(NamedTuple):
    """The moment at which the transaction of a view is held.

    Attributes:
        waits_in: a part of the statement that waits meanwhile.
    """

    lock: str
    waits_in: str
    trigger: str | None = None


MOMENTS = {
    "between the row and the job": Moment("LOCK TABLE gristmill.tasks IN ACCESS EXCLUSIVE MODE", "gristmill.enqueue"),
    "after the job, before the commit": Moment(
        f"SELECT pg_advisory_xact_lock({KEY})",
        "gristmill.enqueue",
        "CREATE TRIGGER held AFTER INSERT ON gristmill.jobs FOR EACH ROW WHEN (NEW.task = '{task}')",
    ),
    "inside of the commit": Moment(
        f"SELECT pg_advisory_xact_lock({KEY})",
        "COMMIT",
        "CREATE CONSTRAINT TRIGGER held AFTER INSERT ON public.{table} DEFERRABLE INITIALLY DEFERRED FOR EACH ROW",
    ),
}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module", params=EXAMPLES, ids=str)
def web(request: pytest.FixtureRequest, wheel: Path) -> Iterator[WebApplication]:
    """An application whose README was followed: its own tests have passed, and it has answered the first request."""
    example: Example = request.param
    with serving(example, wheel) as web:
        web.select(example.before_refusal)
        yield web


@contextmanager
def held(web: WebApplication, moment: Moment) -> Iterator[int]:
    """Hold a view's transaction at this moment; yield the server's process that holds the lock."""
    body = f"BEGIN PERFORM pg_advisory_xact_lock_shared({KEY}); RETURN NULL; END"
    web.select(f"CREATE OR REPLACE FUNCTION public.hold() RETURNS trigger LANGUAGE plpgsql AS '{body}'")
    if moment.trigger:
        place = moment.trigger.format(task=web.example.task, table=web.example.table)
        web.select(f"{place} EXECUTE FUNCTION public.hold()")
    try:
        with closing(psycopg2.connect(web.database_url)) as holder, holder.cursor() as cursor:
            cursor.execute(moment.lock)
            yield holder.info.backend_pid
    finally:
        web.select("DROP FUNCTION public.hold() CASCADE")


def held_backends(web: WebApplication, holder: int, moment: Moment) -> list[int]:
    waiting = "SELECT pid FROM pg_stat_activity WHERE %s = ANY(pg_blocking_pids(pid)) AND query ILIKE %s"
    return web.select(waiting, holder, f"%{moment.waits_in}%")


def all_succeed(web: WebApplication) -> bool:
    return web.select("SELECT DISTINCT state FROM gristmill.jobs WHERE task = %s", web.example.task) == ["succeeded"]


def test_the_request_of_the_readme_left_a_row_whose_job_runs(web: WebApplication) -> None:
    assert web.rows_with_job() == web.rows() != []
    eventually(lambda: all_succeed(web), within=120)


def test_a_commit_makes_both_and_the_job_runs(web: WebApplication) -> None:
    before = web.rows()
    status, answer = web.post(web.example.accepted)
    assert status == 201, answer
    assert web.rows_with_job() == web.rows()
    assert len(web.rows()) == len(before) + 1
    state = "SELECT state FROM gristmill.jobs WHERE id = %s"
    eventually(lambda: web.select(state, answer["job"]) == ["succeeded"], within=120)


def test_a_view_that_raises_after_it_has_enqueued_leaves_neither(web: WebApplication) -> None:
    before = web.rows()
    assert web.post(web.example.refused)[0] == 409
    assert web.rows_with_job() == web.rows() == before


@pytest.mark.parametrize("name", MOMENTS)
def test_a_kill_of_the_web_process_never_leaves_one_without_the_other(web: WebApplication, name: str) -> None:
    moment, before = MOMENTS[name], web.rows()
    with ThreadPoolExecutor(1) as browser:
        with held(web, moment) as holder:
            posted = browser.submit(web.post, web.example.accepted)
            (backend,) = eventually(lambda: held_backends(web, holder, moment), within=60)
            web.kill()
        assert posted.exception(timeout=60) is not None
    gone = "SELECT 1 FROM pg_stat_activity WHERE pid = %s"
    eventually(lambda: web.select(gone, backend) == [], within=60)
    assert web.rows_with_job() == web.rows()
    if moment.waits_in != "COMMIT":  # once the server commits, it needs nobody
        assert web.rows() == before
    web.start()
    eventually(lambda: all_succeed(web), within=120)
