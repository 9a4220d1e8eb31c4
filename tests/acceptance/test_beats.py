"""Several beats on one database: each time that a schedule was due is fired once, by whichever beat."""

import os
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import select

from gristmill.shared.database.clock import read_clock
from gristmill.shared.database.connect import Database
from gristmill.shared.jobs.models import Job, Outbox
from gristmill.shared.schedules.models import Fire, Schedule
from tests.cluster import cluster
from tests.eventually import eventually
from tests.factories import change, reached

SCHEDULES = 10
# A minute by hand, for the figure that is promised; a few seconds each time, for the same arithmetic.
SECONDS = int(os.environ.get("GRISTMILL_TEST_BEAT_SECONDS", "6"))
MISSED = 30  # seconds that all beats were away before

pytestmark = pytest.mark.timeout(300 + 2 * SECONDS)


@pytest.fixture
def database(database_url: str, fresh_valkey_url: Callable[[], str]) -> Iterator[Database]:
    with reached(database_url, environment={"GRISTMILL_BROKER_URL": fresh_valkey_url()}) as database:
        yield database


def count_fires(database: Database, name: str) -> int:
    with database.transaction() as session:
        return len(session.scalars(select(Fire.fire_at).where(Fire.schedule == name)).all())


def test_two_beats_fire_ten_schedules_of_a_second_each_once(database: Database, servers_folder: Path) -> None:
    names = [f"every-second-{number}" for number in range(SCHEDULES)]
    with database.transaction() as session:
        now = read_clock(session)
        start = now - timedelta(seconds=MISSED)
        for name in names:
            args = {"message": name}
            session.add(Schedule(name=name, every=1.0, task="demo.echo", args=args, catch_up="all", next_fire_at=start))
    with cluster(servers_folder / "beats", database.settings) as beats:
        for number in range(2):
            beats.beat(f"beat-{number}")
        beats.up()
        eventually(
            lambda: all(count_fires(database, name) > MISSED + SECONDS for name in names), within=60 + 2 * SECONDS
        )
        # Whoever comes first fires what is due: go on until each of them did.
        eventually(lambda: all("schedule.fired" in member.output for member in beats.members.values()), within=60)
        change(database, "UPDATE gristmill.schedules SET enabled = false")
    with database.transaction() as session:
        fires = session.execute(select(Fire.schedule, Fire.fire_at, Fire.job_id).where(Fire.schedule.in_(names))).all()
        jobs = session.execute(select(Job.id, Job.args).where(Job.task == "demo.echo")).all()
        hints = session.scalars(select(Outbox.job_id).where(Outbox.task == "demo.echo")).all()
    for name in names:
        times = sorted(fire.fire_at for fire in fires if fire.schedule == name)
        assert times == [start + timedelta(seconds=second) for second in range(len(times))]
    assert len(fires) == len(jobs) == len(hints) == len(set(hints))
    assert {fire.job_id for fire in fires} == {job.id for job in jobs} == set(hints)
    assert Counter(job.args["message"] for job in jobs) == Counter(fire.schedule for fire in fires)


def test_a_beat_that_is_killed_leaves_the_rest_to_the_other(database: Database, servers_folder: Path) -> None:
    with database.transaction() as session:
        start = read_clock(session)
        session.add(
            Schedule(
                name="each", every=1.0, task="demo.echo", args={"message": "m"}, catch_up="all", next_fire_at=start
            )
        )
    with cluster(servers_folder / "beat", database.settings) as beats:
        first, second = beats.beat("first"), beats.beat("second")
        beats.up()
        eventually(lambda: count_fires(database, "each") > 0)
        first.kill()
        before = count_fires(database, "each")
        eventually(lambda: count_fires(database, "each") > before + 1)
        second.terminate()
        assert second.wait() == 0
