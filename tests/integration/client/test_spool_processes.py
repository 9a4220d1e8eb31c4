"""Several processes share one spool, and each may die at any moment: every job is there once."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from gristmill.client import SpoolError, SpoolOptions
from tests.cluster import ROOT
from tests.eventually import eventually
from tests.integration.client.conftest import MakeClient, Stored
from tests.integration.client.lines import Line

FLUSH = """
import sys, time
from gristmill.client import Client, SpoolOptions
with Client(sys.argv[1], sys.argv[2], spool=SpoolOptions(sys.argv[3], flush_every=0.05)) as client:
    while client.spool.count(): time.sleep(0.02)
"""
FLUSH_ASYNC = """
import asyncio, sys
from gristmill.client import AsyncClient, SpoolOptions
async def main():
    async with AsyncClient(sys.argv[1], sys.argv[2], spool=SpoolOptions(sys.argv[3], flush_every=0.05)) as client:
        while await client.spool.count(): await asyncio.sleep(0.02)
asyncio.run(main())
"""
FORK = """
import os, sys
from gristmill.client import Client
client = Client(sys.argv[1], sys.argv[2])
client.post("demo.echo", {"message": "before"})
child = os.fork()
if child and os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
    sys.exit("the child failed")
client.post("demo.echo", {"message": "parent" if child else "child"})
client.close()
"""
FORK_IN_A_TRANSACTION = """
import os, sys, threading, time
from gristmill.client import Client
client = Client(sys.argv[1], sys.argv[2], patience=0.5, spool=sys.argv[3])
begun = threading.Event()

def write():
    with client.spool._twin._file.transaction():
        begun.set()
        time.sleep(0.5)  # the fork is wanted in the middle

thread = threading.Thread(target=write)
thread.start()
begun.wait()
child = os.fork()
client.post("demo.echo", {"message": "parent" if child else "child"})
if not child:
    os._exit(0)
thread.join()
if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]):
    sys.exit("the child failed")
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "spool"


Run = Callable[..., subprocess.Popen[bytes]]


@pytest.fixture
def run(folder: Path, key: str) -> Iterator[Run]:
    """Run programs on the spool, which end with the test."""
    with ExitStack() as stack:

        def start(code: str, url: str) -> subprocess.Popen[bytes]:
            made = stack.enter_context(subprocess.Popen([sys.executable, "-c", code, url, key, str(folder)], cwd=ROOT))
            stack.callback(made.kill)
            return made

        yield start


def fill(make: MakeClient, nowhere: str, folder: Path, number: int) -> list[str]:
    away = make(nowhere, spool=SpoolOptions(folder, flush_every=0))
    return [str(away.post("demo.echo", {"message": str(each)}).idempotency_key) for each in range(number)]


def test_two_processes_empty_a_spool_and_each_job_is_there_once_and_in_order_over_a_line_that_breaks(
    make: MakeClient, run: Run, line: Line, nowhere: str, stored: Stored, folder: Path
) -> None:
    fill(make, nowhere, folder, 350)
    line.spoil("lose", 2)
    both = [run(code, line.url) for code in (FLUSH, FLUSH_ASYNC)]
    assert [each.wait(150) for each in both] == [0, 0]
    assert stored.messages == [str(number) for number in range(350)]


def test_a_process_that_is_killed_between_sending_and_noting_makes_no_second_job(
    make: MakeClient, run: Run, line: Line, nowhere: str, stored: Stored, folder: Path
) -> None:
    keys = fill(make, nowhere, folder, 3)
    line.spoil("stall", 1_000)  # jobs arrive, and their answers do not
    victim = run(FLUSH, line.url)
    eventually(lambda: len(stored.ids) == 3)
    victim.kill()
    victim.wait(60)
    client = make(spool=SpoolOptions(folder, flush_every=0))
    assert client.spool.count() == 3
    assert client.spool.flush().sent == 3
    found = [client.spool.find(key) for key in keys]
    assert [each.job.id for each in found if each and each.job] == stored.ids
    assert stored.messages == ["0", "1", "2"]


def test_while_one_process_flushes_no_other_does(
    make: MakeClient, run: Run, line: Line, nowhere: str, stored: Stored, folder: Path
) -> None:
    fill(make, nowhere, folder, 3)
    line.spoil("stall", 1_000)
    holder = run(FLUSH, line.url)
    eventually(lambda: len(stored.ids) == 3)
    client = make(spool=SpoolOptions(folder, flush_every=0))
    flushed = client.spool.flush()
    assert (flushed.sent, flushed.left, flushed.error) == (0, 3, None)
    holder.kill()
    holder.wait(60)
    assert client.spool.flush().sent == 3


def test_a_fork_of_a_process_with_a_client_uses_connections_of_its_own(run: Run, line: Line, stored: Stored) -> None:
    assert run(FORK, line.url).wait(150) == 0
    assert stored.messages == ["before", "child", "parent"]
    assert line.opened == 2


def test_a_fork_that_was_made_while_the_spool_was_written_can_use_it(
    make: MakeClient, run: Run, nowhere: str, stored: Stored, folder: Path
) -> None:
    assert run(FORK_IN_A_TRANSACTION, nowhere).wait(60) == 0
    assert make(spool=SpoolOptions(folder, flush_every=0)).spool.flush().sent == 2
    assert sorted(stored.messages) == ["child", "parent"]


def test_a_client_that_is_closed_says_so(make: MakeClient, nowhere: str, folder: Path) -> None:
    client = make(nowhere, patience=0.5, spool=SpoolOptions(folder, flush_every=0))
    client.close()
    with pytest.raises(SpoolError, match="is closed with its client"):
        client.spool.count()
