"""One of examples/ as its README runs it: installed, tested, and served beside `gristmill up`."""

import json
import os
import shlex
import shutil
import signal
import socket
import subprocess
import urllib.error
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final
from urllib.request import Request, urlopen

import psycopg2

from bench.first_project import Reader, Step, read_steps, shell_environment, split_at_run
from gristmill.ports import LOOPBACK, free_port
from gristmill.up.folder import read_exports
from tests.acceptance.project.built_wheel import write_constraints
from tests.acceptance.ups import ROOT, folder_for
from tests.eventually import eventually

README_PORT: Final = "5000"
SERVES: Final = "DATABASE_URL"  # the block that starts the web application names it


@dataclass(frozen=True)
class Example:
    """Differences between the applications.

    Attributes:
        refused: the body of a request whose view raises after it has enqueued.
        before_refusal: SQL that makes it so.
    """

    folder: str
    path: str
    table: str
    task: str
    argument: str
    accepted: Mapping[str, Any]
    refused: Mapping[str, Any]
    before_refusal: str = "SELECT 1"

    def __str__(self) -> str:
        return self.folder


class WebApplication:
    """The web application of an example, a process group of its own."""

    def __init__(self, example: Example, reader: Reader, command: str) -> None:
        self.example = example
        self.database_url = read_exports(reader.here / ".gristmill" / "settings")["GRISTMILL_DATABASE_URL"]
        self._reader, self._command = reader, command
        self._process: subprocess.Popen[bytes] | None = None
        self.port = free_port()

    def start(self) -> None:
        """Start it as the README says, on a port that is free."""
        with (self._reader.folder / "web.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["bash", "-ec", self._command.replace(README_PORT, str(self.port))],
                cwd=self._reader.here,
                env=self._reader.env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        eventually(self._listens, within=120)

    def kill(self) -> None:
        """Kill it and its children with SIGKILL."""
        if self._process is not None:
            os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
            self._process = None

    def _listens(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, (self._reader.folder / "web.log").read_text()
        with closing(socket.create_connection((LOOPBACK, self.port), timeout=5)):
            return True

    def post(self, body: Mapping[str, Any]) -> tuple[int, Any]:
        """Return the status and the body of the answer."""
        url = f"http://{LOOPBACK}:{self.port}{self.example.path}"
        headers = {"Content-Type": "application/json"}
        asked = Request(url, method="POST", data=json.dumps(body).encode(), headers=headers)
        try:
            with urlopen(asked, timeout=120) as answer:  # noqa: S310 - the same
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            return error.code, error.read()

    def select(self, statement: str, *values: Any) -> list[Any]:
        """Execute one statement, commit, and return the first column."""
        with closing(psycopg2.connect(self.database_url)) as connection, connection, connection.cursor() as cursor:
            cursor.execute(statement, values)
            return [row[0] for row in cursor.fetchall()] if cursor.description else []

    def rows(self) -> list[int]:
        """Return the keys of the application's rows."""
        return self.select(f"SELECT id FROM public.{self.example.table} ORDER BY id")

    def rows_with_job(self) -> list[int]:
        """Return the keys that the jobs name."""
        named = "SELECT (args ->> %s)::bigint AS id FROM gristmill.jobs WHERE task = %s ORDER BY id"
        return self.select(named, self.example.argument, self.example.task)


@contextmanager
def serving(example: Example, wheel: Path) -> Iterator[WebApplication]:
    """Do all that the README of an example says; yield the web application while it and the platform run."""
    with folder_for(None) as folder:
        ours = {name: value for name, value in os.environ.items() if not name.startswith(("GRISTMILL_", "PYTHON"))}
        pins = str(write_constraints(wheel.parent))  # its path has no space, which ends a name there
        env = ours | shell_environment(folder) | {"PIP_CONSTRAINT": pins, "HOME": ours["HOME"]}
        reader = Reader(folder, env)
        reader.here = folder / example.folder
        left_out = shutil.ignore_patterns("__pycache__", ".*", "*.egg-info")
        shutil.copytree(ROOT / "examples" / example.folder, reader.here, ignore=left_out)
        before, meanwhile = split_at_run(read_steps(reader.here / "README.md"))
        # In place of the published one. pip keeps what is there, and old ones take no URL for a package and its extra.
        reader.follow(Step(f"python3 -m venv .venv\n.venv/bin/pip install --no-deps {shlex.quote(str(wheel))}"))
        for step in before:
            reader.follow(step)
        (command,) = [step.text for step in meanwhile if SERVES in step.text]
        with reader.running():
            web = WebApplication(example, reader, command)
            try:
                web.start()
                for step in meanwhile:
                    if step.text != command:
                        reader.follow(Step(step.text.replace(README_PORT, str(web.port))))
                yield web
            finally:
                web.kill()
