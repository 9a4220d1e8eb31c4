"""One peer: what it is, and how its processes are started, asked, and stopped."""

from __future__ import annotations

import contextlib
import importlib.metadata
import json
import signal
import socket
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Literal

import psutil

from bench.peers import environments
from bench.peers.inside.work import CONTROL
from gristmill import ports, process
from gristmill.process import Process, ServiceFailedError, family, tail

if TYPE_CHECKING:
    from bench.peers.servers import PeerServers

ACCEPT: Final = ("one", "at_once", "batch")
EXECUTE: Final = ("noop", "effect", "wait")
AFTER: Final = ("idle", "half", "memory")
WORKS: Final = (*ACCEPT, *EXECUTE, *AFTER)
_START_SECONDS: Final = 60.0
_ANSWER_SECONDS: Final = 180.0
_STOP_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Spec:
    """The description of a peer.

    Attributes:
        environment: the file in `requirements/` that holds its packages; None is our own `.venv`.
        packages: whose versions are told.
        module: the module in `inside/` with `produce()`; of a Node peer, the script.
        workers: the command of each worker process (`{bin}`: the folder of the environment's programs). None: the
            module has `consume()`, which is run `processes` times.
        setup: how it is set up, for the report.
        backlog: jobs of each kind that are executed: as many as take some three seconds on two cores.
        tables: what holds its jobs, with what empties it: `jobs CASCADE`.
        redis: when Valkey syncs its append-only file, of a peer that lives there: before each answer, or once a second.
        works: what is measured.
    """

    name: str
    title: str
    environment: str | None
    packages: tuple[str, ...]
    module: str
    setup: str
    language: Literal["python", "node"] = "python"
    workers: tuple[tuple[str, ...], ...] | None = None
    processes: int = 1
    backlog: Mapping[str, int] = field(default_factory=dict)
    tables: str = ""
    redis: Literal["", "always", "everysec"] = ""
    works: tuple[str, ...] = WORKS


class Peer:
    """A peer at work in one round."""

    def __init__(self, spec: Spec, home: PeerServers) -> None:
        self.spec = spec
        self.home = home
        self.bulk = False
        self._running: dict[str, Process] = {}
        self._lines: Any = None
        self._link: socket.socket | None = None

    def start(self) -> None:
        """Start the producer's process; it makes the tables the peer needs."""
        with socket.create_server((ports.LOOPBACK, 0)) as server:
            server.settimeout(_START_SECONDS)
            self._spawn("producer", self._producer(), {CONTROL: str(server.getsockname()[1])})
            try:
                self._link, _ = server.accept()
            except TimeoutError as error:
                raise ServiceFailedError(f"{self.spec.name}: no producer came. {self._log_tail('producer')}") from error
        self._link.settimeout(_ANSWER_SECONDS)
        self._lines = self._link.makefile("rw", encoding="utf-8")
        self.bulk = self._answer()["bulk"]

    def ask(self, what: str, **more: Any) -> dict[str, Any]:
        """Have the producer do one thing, and return its answer.

        Raises:
            ServiceFailedError: it failed, or took too long.
        """
        self._lines.write(json.dumps({"do": what, **more}) + "\n")
        self._lines.flush()
        return self._answer()

    def start_workers(self) -> None:
        """Start two worker processes; they need not be ready on return."""
        for number, command in enumerate(self._workers()):
            self._spawn(f"worker-{number}", command, {})

    def worker_pids(self) -> list[int]:
        """Return the leading processes that work on jobs."""
        return [each.pid for name, each in self._running.items() if name.startswith("worker")]

    def frozen_pids(self) -> list[int]:
        """Return the processes that stand still while a backlog is written."""
        return self.worker_pids()

    def effects(self) -> int:
        """Return how many rows the jobs with an effect have written."""
        return self.home.effects()

    def all_pids(self) -> dict[str, int]:
        """Return the leading processes of the peer and of the servers, by name."""
        return {name: each.pid for name, each in self._running.items()} | self.home.servers()

    def cpu_seconds(self) -> float:
        """Return the processor time that the servers and what works on jobs have used so far."""
        return sum(used(each) for pid in (*self.frozen_pids(), *self.home.servers().values()) for each in family(pid))

    def empty(self) -> None:
        """Forget all jobs."""
        self.home.empty(self.spec.tables)

    def vacuum(self) -> None:
        """Have Postgres look at a backlog, as autovacuum would have by then: plans made for empty tables are slow."""
        if self.spec.tables:
            self.home.run(f"VACUUM (ANALYZE) {self.spec.tables.split()[0]}")

    def look_after(self) -> None:
        """Raise where a process has ended by itself.

        Raises:
            ServiceFailedError: one has.
        """
        for name, each in self._running.items():
            if each.poll() is not None:
                code = each.returncode
                raise ServiceFailedError(f"{self.spec.name}'s {name} ended (exit {code}). {self._log_tail(name)}")

    def freeze(self) -> None:
        """Have the workers stand still."""
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """Let them go on."""
        self._signal(signal.SIGCONT)

    def stop(self) -> None:
        """End all processes."""
        self.thaw()
        if self._link is not None:
            self._lines.close()
            self._link.close()
        for name in list(self._running):
            process.stop(self._running.pop(name), signal.SIGTERM, _STOP_SECONDS)

    def _producer(self) -> list[str]:
        program, folder = self._programs()
        if self.spec.language == "node":
            return [str(program), str(folder / self.spec.module), "produce"]
        return [str(program), "-c", f"from bench.peers.inside.{self.spec.module} import produce; produce()"]

    def _workers(self) -> list[list[str]]:
        program, folder = self._programs()
        if self.spec.language == "node":
            return [[str(program), str(folder / self.spec.module), "consume"]] * self.spec.processes
        if self.spec.workers is None:
            code = f"from bench.peers.inside.{self.spec.module} import consume; consume()"
            return [[str(program), "-c", code]] * self.spec.processes
        return [[part.format(bin=folder) for part in command] for command in self.spec.workers]

    def _programs(self) -> tuple[Path, Path]:
        if self.spec.language == "node":
            return environments.node(str(self.spec.environment))
        program = python_of(self.spec)
        return program, program.parent

    def _spawn(self, name: str, command: list[str], more: Mapping[str, str]) -> None:
        env = process.plain_environment({**self.home.environment, **more})
        self._running[name] = process.spawn(command, env=env, log=self.home.log(name), cwd=self.home.folder)

    def _answer(self) -> dict[str, Any]:
        line = ""
        with contextlib.suppress(OSError):
            line = self._lines.readline()
        if not line:
            raise ServiceFailedError(f"{self.spec.name}'s producer gave no answer. {self._log_tail('producer')}")
        answer: dict[str, Any] = json.loads(line)
        return answer

    def _log_tail(self, name: str) -> str:
        return f"The end of its log:\n{tail(self.home.log(name))}"

    def _signal(self, number: signal.Signals) -> None:
        for pid in self.frozen_pids():
            for each in family(pid):
                with contextlib.suppress(psutil.NoSuchProcess):
                    each.send_signal(number)


def used(each: psutil.Process) -> float:
    """Return the seconds of a process and of those of its children that have ended: RQ has one for each job."""
    with contextlib.suppress(psutil.NoSuchProcess):
        times = each.cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return 0.0


def python_of(spec: Spec) -> Path:
    """Return the Python that a peer runs in."""
    return Path(sys.executable) if spec.environment is None else environments.python(spec.environment)


def versions(spec: Spec) -> dict[str, str]:
    """Return the versions of the packages that make a peer up; installs them where they are not there yet."""
    if spec.language == "node":
        program, folder = environments.node(str(spec.environment))
        files = {name: folder / "node_modules" / name / "package.json" for name in spec.packages}
        told = {name: str(json.loads(file.read_text(encoding="utf-8"))["version"]) for name, file in files.items()}
        return told | {"node": _said([str(program), "--version"]).lstrip("v")}
    if spec.environment is None:
        return {name: importlib.metadata.version(name) for name in spec.packages}
    ask = "import sys, importlib.metadata as m; print(*[m.version(name) for name in sys.argv[1:]])"
    answer = _said([str(python_of(spec)), "-c", ask, *spec.packages])
    return dict(zip(spec.packages, answer.split(), strict=True))


def _said(command: list[str]) -> str:
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
