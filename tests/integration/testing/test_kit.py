"""The test kit in a project as a team has it: its tests pass, and those that have to fail say what is wrong."""

import ast
import fcntl
import os
import re
import shutil
import subprocess
import sys
import textwrap
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest

from gristmill.services.postgres import Postgres
from tests.integration.testing.runs import PROJECT, ROOT, Run, copy_project, run_pytest

pytestmark = pytest.mark.timeout(600)

MUST_FAIL = "check_failing"
FAILURES = {
    "test_a_job_that_is_not_there": r"assert \[\] \(enqueued were: count\.up \{'number': 1\}\)",
    "test_a_mail_that_did_not_come_because_a_handler_failed": r"assert \[\]",
    "test_a_task_that_fails": r"(?s)ZeroDivisionError: plain.*odd_jobs\.py",
}


def sentences() -> list[str]:
    """The tests of the project that have to pass, as `module::name`."""
    return [
        f"{file.stem}::{node.name}"
        for file in sorted((PROJECT / "tests").glob("check_*.py"))
        if file.stem != MUST_FAIL
        for node in ast.parse(file.read_text()).body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    ]


@pytest.fixture(scope="module")
def whole_run(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """One run of all tests of the project, in the order of this run's own chance."""
    return run_pytest(copy_project(tmp_path_factory.mktemp("kit")))


@pytest.mark.parametrize("sentence", sentences())
def test_a_sentence_of_the_kit_holds(whole_run: Run, sentence: str) -> None:
    ended = {name: said for name, said in whole_run.failures.items() if name.partition("[")[0] == sentence}
    assert ended, f"it did not run:\n{whole_run.output[-4_000:]}"
    assert all(said is None for said in ended.values()), "\n".join(said for said in ended.values() if said)


@pytest.mark.parametrize("name", FAILURES)
def test_a_test_that_must_fail_fails_and_says_why(whole_run: Run, name: str) -> None:
    said = whole_run.failures[f"{MUST_FAIL}::{name}"]
    assert said is not None
    assert re.search(FAILURES[name], said), said


def test_the_failure_of_a_handler_is_shown_with_the_test_that_fails(whole_run: Run) -> None:
    assert "attempt 1 of odd.fail failed, its job is dead" in whole_run.output
    assert "PermanentError: permanent" in whole_run.output


@pytest.fixture
def open_folder(servers_folder: Path) -> Path:
    """A folder that the user `nobody` may pass through, as Postgres may have to run as it."""
    folder = servers_folder / f"kit-{os.urandom(4).hex()}"
    folder.mkdir(mode=0o755)
    return folder


def test_a_session_leaves_no_folder_and_removes_those_of_sessions_that_were_killed(
    open_folder: Path, tmp_path: Path
) -> None:
    abandoned, used, young = (open_folder / f"gristmill-testing-{name}" for name in ("abandoned", "used", "young"))
    for folder in (abandoned, used, young):
        folder.mkdir()
    for folder in (abandoned, used):
        os.utime(folder, (0, 0))
    handle = os.open(used, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        run = run_pytest(copy_project(tmp_path), "-k", "each_test_has", env={"TMPDIR": str(open_folder)})
    finally:
        os.close(handle)
    assert run.exit_code == 0, run.output
    assert sorted(open_folder.iterdir()) == [used, young]


def test_a_project_that_uses_no_fixture_of_the_kit_loads_nothing_of_it(tmp_path: Path) -> None:
    program = """
        import sys

        def test_nothing() -> None:
            loaded = {name for name in sys.modules if name.split(".")[0] == "gristmill"}
            assert loaded == {"gristmill", "gristmill.testing", "gristmill.testing.plugin"}
    """
    (tmp_path / "test_other.py").write_text(textwrap.dedent(program))
    run = run_pytest(tmp_path, "-W", "error")
    assert run.failures == {"test_other::test_nothing": None}, run.output


def test_the_kit_needs_no_celery() -> None:
    program = "import gristmill.testing.platform, gristmill.testing.mill, sys; print(sys.modules.keys() & {'celery'})"
    ended = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, timeout=120, check=True
    )
    assert ended.stdout == "set()\n"


def test_a_project_without_a_plugin_is_told_how_to_name_it(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n")
    (tmp_path / "test_shop.py").write_text("def test_it(mill):\n    mill.run('invoice.send')\n")
    (said,) = run_pytest(tmp_path).failed.values()
    assert "No task is called 'invoice.send'. No plugin of yours was found" in said
    assert '[tool.gristmill] plugin = "shop.mill:plugin"' in said


@pytest.mark.parametrize(
    ("conftest", "told"),
    [
        ("settings", "gristmill_settings: 'color' cannot be set; choose among access_token_seconds"),
        ("settings_of_the_kit", "gristmill_settings: 'database_url' cannot be set"),
    ],
)
def test_a_setting_that_is_none_is_refused(tmp_path: Path, conftest: str, told: str) -> None:
    name = {"settings": "color", "settings_of_the_kit": "database_url"}[conftest]
    (tmp_path / "conftest.py").write_text(
        f"import pytest\n\n@pytest.fixture(scope='session')\ndef gristmill_settings():\n    return {{{name!r}: 'x'}}\n"
    )
    (tmp_path / "test_shop.py").write_text("def test_it(mill):\n    pass\n")
    (said,) = run_pytest(tmp_path).failed.values()
    assert told in said


def test_a_package_that_is_missing_is_told_with_its_extra(tmp_path: Path) -> None:
    (tmp_path / "sqlalchemy.py").write_text(
        "raise ModuleNotFoundError(\"No module named 'sqlalchemy'\", name='sqlalchemy')"
    )
    (tmp_path / "test_shop.py").write_text("def test_it(mill):\n    pass\n")
    (said,) = run_pytest(tmp_path, env={"PYTHONPATH": f"{tmp_path}{os.pathsep}{ROOT}"}).failed.values()
    assert "gristmill.testing needs sqlalchemy: pip install 'gristmill[embedded]'" in said


def databases(server: Postgres) -> set[str]:
    with closing(psycopg2.connect(server.url)) as connection, connection.cursor() as cursor:
        cursor.execute("SELECT datname FROM pg_database")
        return {name for (name,) in cursor}


def role_url(server: Postgres, role: str, *options: str) -> str:
    """Make a role that may log in, and return the URL of the server for it."""
    with closing(psycopg2.connect(server.url)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        cursor.execute(f"DROP ROLE IF EXISTS {role}")
        cursor.execute(f"CREATE ROLE {role} LOGIN PASSWORD 'secret' {' '.join(options)}")
    return f"postgresql://{role}:secret@127.0.0.1:{server.port}/postgres"


def test_a_server_that_runs_is_used_by_several_workers_and_left_as_it_was(
    postgres_server: Postgres, tmp_path: Path
) -> None:
    before = databases(postgres_server)
    url = role_url(postgres_server, "kit_tester", "CREATEDB")
    chosen = ("-k", "each_test_has or commits_the_effects or followed or sql_enqueues", "-n", "2")
    run = run_pytest(copy_project(tmp_path), *chosen, f"--gristmill-server={url}")
    assert run.exit_code == 0, run.output
    assert len(run.failures) >= 3
    assert databases(postgres_server) == before


def test_a_role_that_may_not_make_databases_is_told(postgres_server: Postgres, tmp_path: Path) -> None:
    env = {"GRISTMILL_TEST_SERVER_URL": role_url(postgres_server, "kit_guest")}
    run = run_pytest(copy_project(tmp_path), "-k", "each_test_has", env=env)
    assert "The role kit_guest may not create databases" in "".join(run.failed.values()), run.output


def test_a_role_with_a_search_path_of_its_own_is_told(postgres_server: Postgres, tmp_path: Path) -> None:
    before = databases(postgres_server)
    run = run_pytest(copy_project(tmp_path), "-k", "each_test_has", f"--gristmill-server={postgres_server.url}")
    assert "has a search path of its own, which hides the clock" in "".join(run.failed.values()), run.output
    assert databases(postgres_server) == before


def test_the_url_of_a_database_of_the_platform_is_not_used(tmp_path: Path) -> None:
    env = {"GRISTMILL_DATABASE_URL": "postgresql://nobody@127.0.0.1:1/production"}
    run = run_pytest(copy_project(tmp_path), "-k", "reads_the_environment", env=env)
    assert run.exit_code == 0, run.output
    shutil.rmtree(tmp_path, ignore_errors=True)
