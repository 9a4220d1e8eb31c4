"""The platform's processes, as `gristmill …` runs them: started, killed and asked to end, one by one."""

import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

import httpx
import psutil

from gristmill import ports, process
from gristmill.process import Process
from gristmill.shared.settings import Settings, environment
from tests.eventually import eventually
from tests.processes import all_have_ended
from tests.warm import process as warm

ROOT: Final = Path(__file__).parents[1]
START_SECONDS: Final = 90.0  # Python, its imports and two forks, on a machine that is busy with others


@dataclass
class Member:
    """One process of the platform, with what it forked."""

    name: str
    arguments: tuple[str, ...]
    env: Mapping[str, str]
    folder: Path
    sign: str  # what its log says when it works; nothing when it touches a file instead
    program: list[str] = field(default_factory=list)  # another one than ours
    process: Process = field(init=False)

    @property
    def log(self) -> Path:
        return self.folder / f"{self.name}.log"

    @property
    def output(self) -> str:
        return self.log.read_text(errors="replace") if self.log.exists() else ""

    @property
    def is_running(self) -> bool:
        return hasattr(self, "process") and self.process.poll() is None

    @property
    def children(self) -> list[psutil.Process]:
        """What it forked: the pool of a worker."""
        return psutil.Process(self.process.pid).children(recursive=True)

    def start(self) -> None:
        """Start it; `wait_until_ready` says when it works."""
        self._ready_file.unlink(missing_ok=True)
        self._said = len(self.output)
        env = process.plain_environment({**self.env, "GRISTMILL_READY_FILE": str(self._ready_file)})
        if self.program:
            self.process = process.spawn([*self.program, *self.arguments], env=env, log=self.log, cwd=ROOT)
            return
        with self.log.open("ab") as log:
            self.process = warm.start(self.arguments, env=env, cwd=ROOT, output=log)

    def wait_until_ready(self) -> None:
        eventually(self._is_ready, within=START_SECONDS)

    def kill(self) -> None:
        """Kill it as the kernel does that is out of memory, and only it; what it forked has to go by itself."""
        children = self.children
        os.kill(self.process.pid, signal.SIGKILL)
        self.process.wait(60)
        eventually(lambda: all_have_ended(children))

    def kill_children(self) -> None:
        """Kill what it forked, and leave it alone."""
        for child in self.children:
            child.kill()

    def terminate(self) -> None:
        """Ask it to end, as a supervisor does; `wait` waits."""
        os.kill(self.process.pid, signal.SIGTERM)

    def wait(self, seconds: float = 90.0) -> int:
        return self.process.wait(seconds)

    def stop(self) -> None:
        """End it and all that it forked, by force: the test is over, and nothing of it has to be kept."""
        if hasattr(self, "process"):
            process.stop(self.process, signal.SIGKILL, deadline_seconds=30)

    @property
    def _ready_file(self) -> Path:
        return self.folder / f"{self.name}.ready"

    def _is_ready(self) -> bool:
        if not self.is_running:
            raise AssertionError(f"{self.name} ended with {self.process.returncode}:\n{process.tail(self.log, 30)}")
        return self.sign in self.output[self._said :] if self.sign else self._ready_file.exists()


class Cluster:
    """A platform of chosen processes. Leases are short and looks frequent, so that what is lost is soon found.

    Args:
        folder: Where the logs go.
        settings: Where the services are.
        changes: Further variables of the environment.
    """

    def __init__(self, folder: Path, settings: Settings, changes: Mapping[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.port = ports.free_port()
        self.members: dict[str, Member] = {}
        search = os.pathsep.join(filter(None, [str(ROOT), *sys.path]))
        self._env = {
            **environment(settings),
            "PYTHONPATH": search,
            "GRISTMILL_PORT": str(self.port),
            "GRISTMILL_DEMO_TASKS": "true",
            "GRISTMILL_LEASE": "2",
            "GRISTMILL_MAINTENANCE_POLL": "0.2",
            "GRISTMILL_BEAT_POLL": "0.2",
            "GRISTMILL_RELAY_POLL": "0.2",
            **(changes or {}),
        }

    @property
    def url(self) -> str:
        """Where the ingress answers."""
        return f"http://{ports.LOOPBACK}:{self.port}"

    def add(self, name: str, *arguments: str, sign: str = "") -> Member:
        member = Member(name, arguments, self._env, self.folder, sign)
        self.members[name] = member
        return member

    def relay(self, name: str = "relay") -> Member:
        return self.add(name, "relay", sign="relay.started")

    def maintenance(self) -> Member:
        return self.add("maintenance", "maintenance", sign="maintenance.started")

    def beat(self, name: str = "beat") -> Member:
        return self.add(name, "beat", sign="beat.started")

    def worker(self, queue: str = "data_processing_queue", concurrency: int = 2) -> Member:
        return self.add(queue, "worker", "--queue", queue, "--concurrency", str(concurrency))

    def web(self) -> Member:
        return self.add("web", "web")

    def up(self) -> None:
        """Start every member that does not run, at the same time, and return when all work."""
        down = [member for member in self.members.values() if not member.is_running]
        for member in down:
            member.start()
        for member in down:
            if member.name == "web":
                eventually(lambda: httpx.get(f"{self.url}/healthz", trust_env=False).is_success, within=START_SECONDS)
            else:
                member.wait_until_ready()

    def stop(self) -> None:
        for member in self.members.values():
            member.stop()

    @property
    def tails(self) -> str:
        """The ends of all logs: what a test that failed shows."""
        return "\n".join(f"--- {member.name}\n{process.tail(member.log, 25)}" for member in self.members.values())


@contextmanager
def cluster(folder: Path, settings: Settings, changes: Mapping[str, str] | None = None) -> Iterator[Cluster]:
    """Yield a cluster without members; whatever it has at the end is ended."""
    made = Cluster(folder, settings, changes)
    try:
        yield made
    finally:
        made.stop()
