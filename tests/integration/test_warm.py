"""Processes that are forked ready for use behave as those that a command line starts."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from gristmill.process import plain_environment
from tests.cluster import Cluster
from tests.contexts import make_settings
from tests.eventually import eventually
from tests.processes import all_have_ended
from tests.warm import process as warm

ROOT = Path(__file__).parents[2]
# A process that starts the platform's web, says who that is, and lives on.
STARTER = """
import sys, time
from pathlib import Path
from tests.cluster import Cluster
from tests.contexts import make_settings
cluster = Cluster(Path(sys.argv[1]), make_settings({}))
web = cluster.web()
web.start()
print(web.process.pid, flush=True)
time.sleep(600)
"""


@pytest.mark.parametrize("arguments", [["--version"], ["no-such-command"], ["jobs", "count", "--where", "x"]])
def test_a_command_says_the_same_and_ends_with_the_same_code(arguments: list[str], tmp_path: Path) -> None:
    env = plain_environment({"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])})
    called = subprocess.run(
        [sys.executable, "-m", "gristmill", *arguments],
        env=env,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    forked = warm.run(arguments, env=env, cwd=tmp_path)
    assert (forked.returncode, forked.stdout, forked.stderr) == (called.returncode, called.stdout, called.stderr)


def test_a_process_that_is_killed_tells_by_which_signal(tmp_path: Path) -> None:
    cluster = Cluster(tmp_path, make_settings({}))
    web = cluster.web()
    web.start()
    assert web.process.poll() is None
    assert web.process.pid == os.getsid(web.process.pid)
    os.kill(web.process.pid, signal.SIGKILL)
    assert web.wait() == -signal.SIGKILL


def test_what_was_forked_ends_when_the_tests_are_killed(tmp_path: Path) -> None:
    env = plain_environment({"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])})
    command = [sys.executable, "-c", STARTER, str(tmp_path)]
    with subprocess.Popen(command, env=env, cwd=ROOT, stdout=subprocess.PIPE) as starter:
        assert starter.stdout is not None
        web = psutil.Process(int(starter.stdout.readline()))
        family = [*psutil.Process(starter.pid).children(recursive=True)]
        assert web in family
        starter.kill()
        eventually(lambda: all_have_ended([web, *family]))
