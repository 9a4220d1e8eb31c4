"""The SQL function `gristmill.enqueue`, as a role calls it that has the two grants of the docs page and no more."""

import uuid
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import Any, Final

import psycopg2
import psycopg2.errors
import pytest

from gristmill import migrations
from gristmill.services.postgres import Postgres
from gristmill.shared.database.connect import Database
from gristmill.shared.jobs.enqueue import JobOptions, enqueue
from gristmill.shared.plugins.declare_tasks import declare_tasks
from gristmill.shared.task import Task
from tests.conftest import START_SECONDS, execute
from tests.eventually import eventually
from tests.factories import find, own_database, reached
from tests.integration.enqueuing.application import Application, application_in, only

INSTALLED: Final = sorted(Path("/usr/lib/postgresql").glob("*/bin"))
GOOD: Final = "'demo.echo', '{\"message\": \"x\"}'"
SEALED: Final = f'{{"$sealed": "gAAAAA{"b" * 90}=="}}'


@pytest.fixture(scope="session", params=["embedded", *(path.parent.name for path in INSTALLED)])
def server(request: pytest.FixtureRequest, servers_folder: Path) -> Iterator[Postgres]:
    """Each Postgres of this machine: the embedded one, and those that are installed."""
    if request.param == "embedded":
        yield request.getfixturevalue("postgres_server")
        return
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRISTMILL_POSTGRES_BIN", f"/usr/lib/postgresql/{request.param}/bin")
        made = Postgres(servers_folder / f"postgres-{request.param}", durable=False)
        made.start(START_SECONDS)
    yield made
    made.stop()


@pytest.fixture(scope="session")
def template(server: Postgres) -> str:
    """The name of a migrated database on that server."""
    with closing(psycopg2.connect(server.url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute("SELECT FROM pg_database WHERE datname = 'enqueuing'")
        if not cursor.rowcount:
            cursor.execute("CREATE DATABASE enqueuing")
            migrations.upgrade(server.url_of("enqueuing"))
    return "enqueuing"


@pytest.fixture
def database(server: Postgres, template: str, invoice: Task) -> Iterator[Database]:
    with own_database(server, template) as url, reached(url, demo_tasks=True) as database:
        declare_tasks(database)
        yield database


@pytest.fixture
def application(database: Database) -> Iterator[Application]:
    with application_in(database.settings.database_url.reveal()) as made:
        yield made


def refused(application: Application, arguments: str, *values: Any) -> psycopg2.Error:
    """Return the error of a call, after which there is no job."""
    with pytest.raises(psycopg2.Error) as caught:
        application.call(arguments, *values)
    assert application.jobs() == []
    return caught.value


def test_the_job_is_the_same_as_one_that_the_platform_itself_accepts(
    application: Application, database: Database
) -> None:
    for options, arguments in (
        (JobOptions(), ""),
        (JobOptions(priority="high", tags=("a", "b")), ", priority => 'high', tags => '{a,b}'"),
        (JobOptions(max_attempts=2, unique_key="k"), ", max_attempts => 2, unique_key => 'k'"),
    ):
        by_function = find(database, uuid.UUID(application.call(GOOD + arguments)))
        with database.transaction() as session:
            session.connection().exec_driver_sql("UPDATE gristmill.jobs SET unique_key = NULL")
            by_platform = find_in(session, enqueue(session, "demo.echo", options, message="x"))
        assert described(by_function) == described(by_platform)
        assert by_function.id.version == 7


def find_in(session: Any, job: uuid.UUID) -> Any:
    from gristmill.shared.jobs.models import Job

    return session.get_one(Job, job)


def described(job: Any) -> dict[str, Any]:
    """Return the columns of a job: its times relative to its acceptance, and without those that differ in any case."""
    columns = {column.name: getattr(job, column.name) for column in job.__table__.columns}
    times = {name: columns[name] - job.created_at for name in ("run_at", "expires_at")}
    return {name: value for name, value in columns.items() if name not in ("id", "created_at", "unique_key")} | times


def test_the_hint_and_the_notification_come_with_the_commit(application: Application) -> None:
    with closing(psycopg2.connect(application.owner_url)) as listener:
        listener.autocommit = True
        listener.cursor().execute("LISTEN gristmill_outbox")
        later = application.call(GOOD + ", delay => '1 hour'")
        now = application.call(GOOD)
        eventually(lambda: [listener.poll(), listener.notifies][1])
        assert len(listener.notifies) == 1
    hints = application.rows("SELECT job_id::text, due_at > clock_timestamp() FROM gristmill.outbox ORDER BY due_at")
    assert hints == [(now, False), (later, True)]


def test_times_may_be_past_or_infinitely_past_but_not_beyond_a_year(application: Application) -> None:
    application.call(GOOD + ", run_at => '-infinity'")
    application.call(GOOD + ", run_at => '2020-01-01'")
    assert application.rows("SELECT DISTINCT state, run_at = created_at FROM gristmill.jobs") == [("queued", True)]
    with pytest.raises(psycopg2.Error, match="not valid"):
        application.call(GOOD + ", run_at => 'infinity'")


REFUSED: Final = {
    "unknown task": ("'no.such'", "GM001", "task: not in the table gristmill.tasks, which holds demo.crash,"),
    "no task": ("NULL", "GM001", "task: "),
    "internal task": ("'webhook.deliver'", "GM002", "task: "),
    "callback": (GOOD + ", callback_url => 'https://x'", "GM007", "callback_url: a callback is signed"),
    "argument missing": ("'demo.echo'", "GM003", "args.message: is required"),
    "argument unknown": ("""'demo.echo', '{"message": "x", "y z": 1}'""", "GM003", 'args."y z": is no argument'),
    "argument of another type": (
        """'demo.echo', '{"message": 1}'""",
        "GM003",
        "args.message: must be string, not number",
    ),
    "fraction for a whole number": (
        """'invoice.send', '{"to": "x", "number": 1.5}'""",
        "GM003",
        "args.number: must be integer, not number",
    ),
    "arguments null": ("'demo.echo', NULL", "GM003", "args: must be a JSON object"),
    "arguments not an object": ("'demo.echo', '[]'", "GM003", "args: must be a JSON object"),
    "too large": (
        "'invoice.send', jsonb_build_object('number', 1, 'to', repeat('x', 262144))",
        "GM004",
        "args: is larger",
    ),
    "nested too deeply": (
        f"""'invoice.send', '{{"number": 1, "to": "x", "lines": {"[" * 40 + "]" * 40}}}'""",
        "GM004",
        "args: nests deeper than 32 levels",
    ),
    "number that loses digits": (
        """'invoice.send', '{"number": 123456789012345678901, "to": "x"}'""",
        "GM004",
        "args: holds a number beyond 64 bits",
    ),
    "number that no machine knows": (
        """'invoice.send', '{"number": 1, "to": "x", "lines": [{"a": 1e999}]}'""",
        "GM004",
        "args: holds a number beyond 64 bits",
    ),
    "secret in the clear": (
        """'invoice.send', '{"number": 1, "to": "x", "password": "hunter2"}'""",
        "GM005",
        "args.password: is secret, and not sealed",
    ),
    "secret with something beside it": (
        f"""'invoice.send', '{{"number": 1, "to": "x", "password": {SEALED[:-1]}, "p": "hunter2"}}}}'""",
        "GM005",
        "args.password: is secret, and not sealed",
    ),
    "secret that only looks sealed": (
        """'invoice.send', '{"number": 1, "to": "x", "password": {"$sealed": "hunter2"}}'""",
        "GM005",
        "args.password: is secret, and not sealed",
    ),
    "two starts": (GOOD + ", run_at => now(), delay => '1 s'", "GM006", "delay: give run_at or delay"),
    "negative delay": (GOOD + ", delay => '-1 s'", "GM006", "delay: must lie between"),
    "delay of years": (GOOD + ", delay => '2 years'", "GM006", "delay: must lie between"),
    "start in years": (GOOD + ", run_at => now() + interval '2 years'", "GM006", "run_at: more than a year"),
    "expiry before the start": (
        GOOD + ", delay => '2 days', expires_at => now() + interval '1 day'",
        "GM006",
        "expires_at: before",
    ),
    "expiry in years": (GOOD + ", expires_at => 'infinity'", "GM006", "expires_at: more than a year"),
    "empty unique key": (GOOD + ", unique_key => ''", "GM006", "unique_key: must have"),
    "long unique key": (GOOD + ", unique_key => repeat('k', 256)", "GM006", "unique_key: must have"),
    "tags null": (GOOD + ", tags => NULL", "GM006", "tags: must be an array"),
    "tag null": (GOOD + ", tags => '{NULL}'", "GM006", "tags: each must"),
    "long tag": (GOOD + ", tags => ARRAY[repeat('t', 65)]", "GM006", "tags: each must"),
    "many tags": (GOOD + ", tags => array_fill('t'::text, ARRAY[21])", "GM006", "tags: must be an array"),
    "tags of tags": (GOOD + ", tags => '{{a,b}}'", "GM006", "tags: must be an array"),
    "priority": (GOOD + ", priority => 'low'", "GM006", "priority: must be"),
    "priority null": (GOOD + ", priority => NULL", "GM006", "priority: must be"),
    "attempts": (GOOD + ", max_attempts => 101", "GM006", "max_attempts: must lie"),
    "traceparent": (GOOD + ", traceparent => 'x'", "GM006", "traceparent: must be"),
}


def test_what_cannot_run_is_refused_with_its_state_its_path_and_a_hint(application: Application) -> None:
    for case, (arguments, sqlstate, detail) in REFUSED.items():
        error = refused(application, arguments)
        assert (case, error.pgcode) == (case, sqlstate), error
        assert (error.diag.message_detail or "").startswith(detail), case
        assert error.diag.message_hint, case
        assert "hunter2" not in str(error).replace("LINE 1", ""), case


def test_all_problems_of_a_call_are_told_at_once(application: Application) -> None:
    error = refused(
        application,
        "'invoice.send', %s, tags => '{NULL}', max_attempts => 0, delay => '-1 s'",
        '{"to": 5, "password": "hunter2", "other": null, "lines": {}}',
    )
    assert error.pgcode == "GM003"
    assert [line.partition(":")[0] for line in (error.diag.message_detail or "").splitlines()] == [
        "args.to",
        "args.lines",
        "args.other",
        "args.password",
        "args.number",
        "delay",
        "tags",
        "max_attempts",
    ]
    assert "gristmill.enqueue of Python" in (error.diag.message_hint or "")


def test_thousands_of_wrong_arguments_make_no_long_error(application: Application) -> None:
    error = refused(application, "'demo.echo', (SELECT jsonb_object_agg('a' || n, n) FROM generate_series(1, 9000) n)")
    assert len((error.diag.message_detail or "").splitlines()) <= 60


def test_values_at_the_bounds_are_accepted(application: Application) -> None:
    application.call(
        "'invoice.send', %s, unique_key => repeat('ü', 255), tags => array_fill(repeat('ß', 64), ARRAY[20]), "
        "max_attempts => 100, delay => '366 days'",
        f'{{"number": 18446744073709551615, "to": "{"9" * 30}", "note": null, "password": {SEALED}, '
        '"rate": 1.2345678901234567e300}',
    )
    application.call("'invoice.send', %s", '{"number": 45.0, "to": "x", "password": null, "lines": [[[[]]]]}')
    deep = "[" * 31 + "]" * 31
    application.call("'invoice.send', %s", f'{{"number": -9223372036854775808, "to": "x", "lines": {deep}}}')
    room = 262_144 - len('{"to": "", "number": 1}')
    application.call("'invoice.send', jsonb_build_object('number', 1, 'to', repeat('x', %s))", room)
    refusing = "'invoice.send', jsonb_build_object('number', 1, 'to', repeat('x', %s))"
    with pytest.raises(psycopg2.Error):
        application.call(refusing, room + 1)


def test_the_role_may_read_and_write_no_table_and_call_nothing_else(application: Application) -> None:
    functions = [
        f"{name}({', '.join(['NULL'] * count)})"
        for name, count in application.rows(
            "SELECT proname, pronargs FROM pg_proc "
            "WHERE pronamespace = 'gristmill'::regnamespace AND proname <> 'enqueue'"
        )
    ]
    assert len(functions) >= 4
    statements = [f"SELECT gristmill.{function}" for function in functions]
    statements += ["SELECT FROM gristmill.jobs", "SELECT FROM gristmill.tasks", "DELETE FROM gristmill.outbox"]
    for statement in [*statements, "CREATE TABLE gristmill.jobs2 ()"]:
        with closing(application.connect()) as connection, pytest.raises(psycopg2.errors.InsufficientPrivilege):
            connection.cursor().execute(statement)


def test_a_role_without_the_grants_may_not_enqueue(application: Application) -> None:
    for grant in ("EXECUTE ON FUNCTION gristmill.enqueue", "USAGE ON SCHEMA gristmill"):
        with closing(psycopg2.connect(application.owner_url)) as owner, owner, owner.cursor() as cursor:
            cursor.execute(f"REVOKE {grant} FROM {application.role}")
        assert isinstance(refused(application, GOOD), psycopg2.errors.InsufficientPrivilege)


HOSTILE: Final = """
CREATE TEMP TABLE pg_temp.jobs (id uuid);
CREATE TEMP TABLE pg_temp.outbox (job_id uuid);
CREATE TEMP TABLE pg_temp.tasks AS SELECT 'demo.echo'::text AS name, 'stolen_queue'::text AS queue, false AS internal;
CREATE FUNCTION shop.statement_timestamp() RETURNS timestamptz LANGUAGE sql AS $$SELECT 'infinity'::timestamptz$$;
CREATE FUNCTION shop.jsonb_typeof(jsonb) RETURNS text LANGUAGE sql AS $$SELECT 'object'$$;
CREATE FUNCTION shop.pg_notify(text, text) RETURNS void LANGUAGE plpgsql AS $$BEGIN RAISE 'called'; END$$;
CREATE FUNCTION shop.greater(timestamptz, timestamptz) RETURNS boolean LANGUAGE plpgsql
    AS $$BEGIN RAISE 'called as %', current_user; END$$;
CREATE OPERATOR shop.> (LEFTARG = timestamptz, RIGHTARG = timestamptz, FUNCTION = shop.greater);
SET search_path = pg_temp, shop, pg_catalog
"""


def test_what_the_caller_puts_before_our_tables_and_functions_is_not_used(application: Application) -> None:
    with closing(application.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute(HOSTILE)
        with pytest.raises(psycopg2.Error, match=f"called as {application.role}"):
            cursor.execute("SELECT now() > now()")  # it is used by what the caller executes itself
        connection.rollback()
        cursor.execute(HOSTILE)
        cursor.execute(f"SELECT gristmill.enqueue({GOOD})::text")
        job = only(cursor.fetchone())
        cursor.execute("SELECT current_setting('search_path'), current_user::text")
        assert cursor.fetchone() == ("pg_temp, shop, pg_catalog", application.role)
    assert application.rows("SELECT id::text, queue FROM gristmill.jobs") == [(job, "data_processing_queue")]
    assert len(application.rows("SELECT FROM gristmill.outbox")) == 1


def test_callers_with_the_same_unique_key_get_the_same_job(application: Application) -> None:
    with ThreadPoolExecutor(8) as threads:
        ids = list(threads.map(lambda _: application.call(GOOD + ", unique_key => 'k'"), range(40)))
    assert len(set(ids)) == len(application.jobs()) == len(application.rows("SELECT FROM gristmill.outbox")) == 1


@pytest.mark.parametrize("end", ["commit", "rollback"])
def test_a_unique_key_in_an_open_transaction_is_waited_for(application: Application, end: str) -> None:
    with closing(application.connect()) as holder, ThreadPoolExecutor(1) as threads:
        cursor = holder.cursor()
        cursor.execute(f"SELECT gristmill.enqueue({GOOD}, unique_key => 'k')::text")
        held = only(cursor.fetchone())
        second = threads.submit(application.call, GOOD + ", unique_key => 'k'")
        eventually(lambda: application.rows("SELECT FROM pg_locks WHERE NOT granted"))
        assert not second.done()
        assert application.call(GOOD + ", unique_key => 'other'")
        getattr(holder, end)()
        assert (second.result(timeout=60) == held) is (end == "commit")
    assert len(application.jobs()) == 2


def test_the_wait_for_a_unique_key_has_an_end_which_the_caller_may_set_and_keeps(application: Application) -> None:
    with closing(application.connect()) as holder, closing(application.connect()) as waiter:
        holder.cursor().execute(f"SELECT gristmill.enqueue({GOOD}, unique_key => 'k')")
        cursor = waiter.cursor()
        for setting in ("100ms", "0"):
            cursor.execute(f"SET lock_timeout = '{setting}'")
            cursor.execute(f"SELECT gristmill.enqueue({GOOD}, unique_key => 'other {setting}')")
            cursor.execute("SHOW lock_timeout")
            assert cursor.fetchone() == (setting,)
            waiter.commit()
            with pytest.raises(psycopg2.errors.LockNotAvailable):
                cursor.execute(f"SELECT gristmill.enqueue({GOOD}, unique_key => 'k')")
            waiter.rollback()


def test_a_repeatable_read_that_cannot_see_the_live_job_is_told_to_repeat(application: Application) -> None:
    with closing(application.connect()) as connection, connection.cursor() as cursor:
        connection.set_session(isolation_level="REPEATABLE READ")
        cursor.execute("SELECT FROM shop.orders")
        application.call(GOOD + ", unique_key => 'k'")
        with pytest.raises(psycopg2.errors.SerializationFailure):
            cursor.execute(f"SELECT gristmill.enqueue({GOOD}, unique_key => 'k')")


def test_an_ended_job_frees_its_unique_key(application: Application) -> None:
    first = application.call(GOOD + ", unique_key => 'k'")
    with closing(psycopg2.connect(application.owner_url)) as owner, owner, owner.cursor() as cursor:
        cursor.execute("UPDATE gristmill.jobs SET state = 'succeeded', finished_at = now()")
    assert application.call(GOOD + ", unique_key => 'k'") != first


def test_ids_are_of_version_7_and_grow_with_time(application: Application) -> None:
    rows = application.rows("SELECT gristmill.new_job_id()::text, clock_timestamp() FROM generate_series(1, 5000)")
    ids = [uuid.UUID(row[0]) for row in rows]
    assert {(each.version, each.variant) for each in ids} == {(7, uuid.RFC_4122)}
    assert len(set(ids)) == len(ids)
    assert all(abs((each.int >> 80) / 1000 - at.timestamp()) < 1 for each, (_, at) in zip(ids, rows, strict=True))
    assert sum(one < other for one, other in pairwise(ids)) > len(ids) * 0.9


def test_many_jobs_of_one_statement_are_accepted_at_one_moment(application: Application) -> None:
    with closing(application.connect()) as connection, connection, connection.cursor() as cursor:
        cursor.execute("INSERT INTO shop.orders SELECT generate_series(1, 50)")
        cursor.execute(
            "SELECT gristmill.enqueue('demo.echo', jsonb_build_object('message', number::text)) FROM shop.orders"
        )
    assert application.rows("SELECT count(*), count(DISTINCT created_at) FROM gristmill.jobs") == [(50, 1)]


def test_the_printed_migration_makes_the_same_functions(server: Postgres, database: Database) -> None:
    migrated = functions_in(database.settings.database_url.reveal())
    name = f"printed_{uuid.uuid4().hex}"
    execute(server, "CREATE DATABASE {}", name)
    try:
        with closing(psycopg2.connect(server.url_of(name))) as connection, connection, connection.cursor() as cursor:
            cursor.execute(migrations.missing_sql(server.url_of(name)))
        assert functions_in(server.url_of(name)) == migrated
    finally:
        execute(server, "DROP DATABASE {} WITH (FORCE)", name)


def functions_in(url: str) -> list[tuple[Any, ...]]:
    """Return the definitions and the grants of the platform's functions."""
    with closing(psycopg2.connect(url)) as connection, connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_get_functiondef(oid), proacl::text FROM pg_proc "
            "WHERE pronamespace = 'gristmill'::regnamespace ORDER BY proname"
        )
        return list(cursor.fetchall())
