"""Records are kept whatever they hold, and the statistics of an hour are those of its measurements."""

import math
import random
import statistics
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import select, text
from uuid_utils.compat import uuid7

from gristmill.shared.database.connect import Database
from gristmill.shared.outcomes import Discard
from gristmill.shared.states import State
from gristmill.tasks.records.models import AggregatedStat, Measurement, Record
from gristmill.tasks.records.queries_streams import put_stream
from gristmill.workers.execute.attempt import Executor
from tests import platform_tasks as tasks
from tests.contexts import perform
from tests.factories import find, letters, states
from tests.factories import post as enqueue

HOUR = datetime(2026, 3, 1, 12, tzinfo=UTC)
SCHEMA = {
    "type": "object",
    "required": ["engine"],
    "properties": {
        "engine": {"$ref": "#/$defs/engine"},
        "site": {"type": "string"},
    },
    "$defs": {"engine": {"type": "object", "properties": {"rpm": {"type": "number", "minimum": 0}}}},
}


@pytest.fixture(autouse=True)
def engines(database: Database) -> None:
    with database.transaction() as session:
        put_stream(session, name="engines", json_schema={}, measures=[])
        put_stream(  # replaced
            session, name="engines", json_schema=SCHEMA, measures=["engine.rpm", "engine.heat"], dimensions=["site"]
        )


def post(database: Database, data: dict[str, Any], **more: Any) -> Any:
    return perform(database, tasks.process_record, {"stream": "engines", "data": data, **more})


def test_a_record_that_fits_is_completed_with_its_measures(database: Database) -> None:
    job_id = uuid7()
    args = {
        "stream": "engines",
        "data": {"engine": {"rpm": 900.5, "heat": 80}, "site": "north"},
        "occurred_at": "2026-03-01T13:30:00+01:00",
    }
    result = perform(database, tasks.process_record, args, job_id=job_id)
    assert result == {"record_id": str(job_id), "status": "completed", "measurements": 2}
    with database.transaction() as session:
        record = session.scalars(select(Record)).one()
        measurements = session.scalars(select(Measurement)).all()
    assert (record.id, record.job_id, record.status, record.errors) == (job_id, job_id, "completed", None)
    assert record.occurred_at == datetime(2026, 3, 1, 12, 30, tzinfo=UTC)
    assert record.processed_at is not None
    assert {row.measure: row.value for row in measurements} == {"engine.rpm": 900.5, "engine.heat": 80.0}
    assert all(row.dimensions == {"site": "north"} for row in measurements)
    assert all(row.occurred_at == record.occurred_at for row in measurements)


def test_a_record_that_does_not_fit_is_kept_as_failed_and_its_job_succeeds(database: Database) -> None:
    result = post(database, {"engine": {"rpm": -1}, "site": 5})
    assert result["status"] == "failed"
    assert set(result["errors"]) == {"data.engine.rpm", "data.site"}
    with database.transaction() as session:
        record = session.scalars(select(Record)).one()
        assert (record.status, record.errors) == ("failed", result["errors"])
        assert session.scalars(select(Measurement)).all() == []


def test_a_measure_that_no_statistics_could_hold_fails_its_record_and_not_the_hour(database: Database) -> None:
    assert list(post(database, {"engine": {"rpm": 1e200}})["errors"]) == ["engine.rpm"]


def test_a_measure_that_is_missing_is_left_out(database: Database) -> None:
    assert post(database, {"engine": {"rpm": 1}})["measurements"] == 1
    assert post(database, {"engine": {}})["measurements"] == 0


def test_a_stream_that_does_not_exist_ends_the_job(database: Database) -> None:
    outcome = perform(database, tasks.process_record, {"stream": "none", "data": {}})
    assert (type(outcome), outcome.code) == (Discard, "STREAM_UNKNOWN")


def test_a_record_that_comes_again_is_left_as_it_is(database: Database) -> None:
    record_id = str(uuid7())
    first = post(database, {"engine": {"rpm": 1}}, record_id=record_id)
    again = post(database, {"engine": {"rpm": 1}}, record_id=record_id)
    assert first == again == {"record_id": record_id, "status": "completed", "measurements": 1}
    other = post(database, {"engine": {"rpm": 2}}, record_id=record_id)
    assert (type(other), other.code) == (Discard, "RECORD_EXISTS")
    with database.transaction() as session:
        assert [row.value for row in session.scalars(select(Measurement))] == [1.0]


def test_a_record_that_waits_under_its_id_is_completed(database: Database) -> None:
    record_id = uuid7()
    with database.transaction() as session:
        session.add(Record(id=record_id, stream="engines", data={}, occurred_at=HOUR))
    post(database, {"engine": {"rpm": 7}}, record_id=str(record_id))
    with database.transaction() as session:
        assert session.get_one(Record, record_id).status == "completed"


@pytest.mark.timeout(300, method="thread")
def test_the_records_of_a_bundle_end_as_each_would_alone(database: Database) -> None:
    twin = str(uuid7())
    bodies: list[dict[str, Any]] = [
        {"data": {"engine": {"rpm": 1, "heat": 2}, "site": "north"}},
        {"data": {"engine": {"rpm": -1}}},
        {"data": {"engine": {"rpm": 3}}, "occurred_at": HOUR.isoformat()},
        {"data": {"engine": {}}, "record_id": twin},
    ]
    post(database, {"engine": {}}, record_id=twin)
    executor = Executor(database, worker="test@here", queue="data_processing_queue")
    jobs = [enqueue(database, tasks.process_record, stream="engines", **body) for body in bodies]
    executor.execute(jobs)
    assert states(database, *jobs) == [State.SUCCEEDED] * 4
    results: list[Any] = [find(database, job).result for job in jobs]
    assert [result["status"] for result in results] == ["completed", "failed", "completed", "completed"]
    assert [result.get("measurements") for result in results] == [2, None, 1, 0]
    assert results[3]["record_id"] == twin
    with database.transaction() as session:
        rows = session.scalars(select(Measurement).order_by(Measurement.value)).all()
        assert [(row.record_id, row.value) for row in rows] == [(jobs[0], 1.0), (jobs[0], 2.0), (jobs[2], 3.0)]
        assert rows[2].occurred_at == HOUR
        assert rows[0].occurred_at == find(database, jobs[0]).created_at

    mixed = [
        enqueue(database, tasks.process_record, stream="engines", data={"engine": {}}),
        enqueue(database, tasks.process_record, stream="none", data={}),
        *(enqueue(database, tasks.process_record, stream="engines", data={}, record_id=twin) for _ in range(2)),
    ]
    executor.execute(mixed)
    assert states(database, *mixed) == [State.SUCCEEDED, State.DEAD, State.DEAD, State.DEAD]
    codes = [letter.error_code for job in mixed for letter in letters(database, job)]
    assert codes == ["STREAM_UNKNOWN", "RECORD_EXISTS", "RECORD_EXISTS"]


def percentile(values: list[float], share: float) -> float:
    """The interpolated percentile, as SQL defines percentile_cont."""
    ordered = sorted(values)
    place = share * (len(ordered) - 1)
    below, above = ordered[math.floor(place)], ordered[math.ceil(place)]
    return below + (above - below) * (place - math.floor(place))


def read_stats(database: Database) -> list[dict[str, Any]]:
    query = text(
        "SELECT stream, measure, bucket, dimensions, count, sum, avg, min, max, p50, p95 "
        "FROM gristmill.aggregated_stats "
        "ORDER BY stream, measure, bucket, dimensions_key"
    )
    with database.transaction() as session:
        return [dict(row) for row in session.execute(query).mappings()]


def test_the_statistics_of_an_hour_are_those_of_its_measurements_however_often_computed(database: Database) -> None:
    numbers = random.Random(7)
    expected: dict[str, list[float]] = {"north": [], "south": []}
    for _ in range(60):
        site, rpm = numbers.choice(["north", "south"]), numbers.uniform(0, 1000)
        expected[site].append(rpm)
        at = HOUR + timedelta(seconds=numbers.uniform(0, 3599.9))
        post(database, {"engine": {"rpm": rpm}, "site": site}, occurred_at=at.isoformat())
    for outside in (HOUR - timedelta(microseconds=1), HOUR + timedelta(hours=1)):
        post(database, {"engine": {"rpm": 5}, "site": "north"}, occurred_at=outside.isoformat())

    hour = (HOUR + timedelta(minutes=20)).isoformat()
    result = perform(database, tasks.aggregate_hour, {"hour": hour})
    assert result == {"hour": HOUR.isoformat(), "buckets": 2}
    rows = read_stats(database)
    assert [(row["measure"], row["bucket"], row["dimensions"]) for row in rows] == [
        ("engine.rpm", HOUR, {"site": "north"}),
        ("engine.rpm", HOUR, {"site": "south"}),
    ]
    for row in rows:
        values = expected[row["dimensions"]["site"]]
        assert row["count"] == len(values)
        assert (row["min"], row["max"]) == (min(values), max(values))
        assert row["sum"] == pytest.approx(math.fsum(values))
        assert row["avg"] == pytest.approx(statistics.fmean(values))
        assert row["p50"] == pytest.approx(statistics.median(values))
        assert row["p95"] == pytest.approx(percentile(values, 0.95))

    perform(database, tasks.aggregate_hour, {"hour": hour})
    assert read_stats(database) == rows


def test_a_schedule_computes_the_hour_before_it_was_due_however_late_it_fires(database: Database) -> None:
    post(database, {"engine": {"rpm": 1}}, occurred_at=HOUR.isoformat())
    due = (HOUR + timedelta(hours=1)).isoformat()
    assert perform(database, tasks.aggregate_hour, {"before": due}) == {"hour": HOUR.isoformat(), "buckets": 1}


def test_a_record_that_came_late_is_in_the_hour_when_it_is_computed_again(database: Database) -> None:
    at = {"occurred_at": HOUR.isoformat()}
    post(database, {"engine": {"rpm": 1}}, **at)
    perform(database, tasks.aggregate_hour, {"hour": HOUR.isoformat()})
    post(database, {"engine": {"rpm": 3}}, **at)
    perform(database, tasks.aggregate_hour, {"hour": HOUR.isoformat()})
    [row] = read_stats(database)
    assert (row["count"], row["sum"], row["dimensions"]) == (2, 4.0, {})


def test_without_an_hour_the_last_full_one_is_computed(database: Database) -> None:
    with database.transaction() as session:
        last = session.execute(
            text("SELECT date_trunc('hour', clock_timestamp(), 'UTC') - interval '1 hour'")
        ).scalar_one()
    post(database, {"engine": {"rpm": 1}}, occurred_at=last.isoformat())
    result = perform(database, tasks.aggregate_hour, {})
    assert result["hour"] in (last.isoformat(), (last + timedelta(hours=1)).isoformat())
    with database.transaction() as session:
        assert len(session.scalars(select(AggregatedStat)).all()) == result["buckets"]


def test_an_hour_without_measurements_has_no_rows(database: Database) -> None:
    assert perform(database, tasks.aggregate_hour, {"hour": HOUR.isoformat()})["buckets"] == 0
