"""Start the platform in order (servers, migrations, processes), wait until it is ready, stop it in order."""

import http.client
import ipaddress
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Final

from gristmill import ports, process
from gristmill.process import ServiceFailedError
from gristmill.up.changed_files import ChangedFiles
from gristmill.up.folder import Folder
from gristmill.up.launcher import Launcher
from gristmill.up.plan import STOP_SECONDS, WORKER_PREFIX, Embedded, stop_order
from gristmill.up.reload import Reload
from gristmill.up.signals import StopSignals
from gristmill.up.supervisor import Supervisor
from gristmill.up.terminal import Terminal
from gristmill.up.unit import Program, ServiceUnit

READY_SECONDS: Final = 120.0  # from the start of our processes; twenty times what two idle cores need
_POLL_SECONDS: Final = 0.05
_TICK_SECONDS: Final = 0.25
_HOPELESS: Final = 3  # deaths of one process before the platform was ready once
# Started when the rest is ready. Each process takes a second of CPU to import, and no first job waits for these.
_LATER: Final = frozenset({"beat", "maintenance", "flower"})


class Platform:
    """Everything that one `up` runs.

    Args:
        folder: Its data folder.
        terminal: Gets its reports.
    """

    def __init__(self, folder: Folder, terminal: Terminal) -> None:
        self._folder = folder
        self._terminal = terminal
        self._supervisor = Supervisor(terminal.report)
        self._later: list[Program] = []
        self._reload: Reload | None = None
        self.signals = StopSignals(self._supervisor.kill)

    def start_servers(self, embedded: Embedded, meanwhile: Callable[[], None]) -> None:
        """Start the embedded servers, all at the same time.

        Args:
            embedded: What to start.
            meanwhile: Called while they start.

        Raises:
            ServiceFailedError: one did not start.
            StopRequestedError: a signal asked for the end.
        """
        started: dict[Future[None], tuple[str, float]] = {}
        with ThreadPoolExecutor(max_workers=4, thread_name_prefix="start") as pool:
            for service in embedded.servers:
                unit = ServiceUnit(service)
                self._supervisor.add(unit)
                started[pool.submit(unit.start)] = (unit.name, time.monotonic())
            self._terminal.waiting_for([name for name, _ in started.values()])
            try:
                meanwhile()
                self._collect(started)
            except BaseException:
                self._supervisor.kill()  # so that the pool need not wait for their deadlines
                raise

    def run_step(self, name: str, step: Callable[[], None]) -> None:
        """Run a step between the servers and our processes, and report how long it took."""
        began = time.monotonic()
        self._terminal.waiting_for([name])
        step()
        self._terminal.done(name, time.monotonic() - began)
        self.signals.check()

    def start_programs(self, launcher: Launcher, plan: Mapping[str, Sequence[str]]) -> None:
        """Start our processes, whose arguments `plan` has by their names."""
        for name, arguments in plan.items():
            program = launcher.make(name, arguments)
            if name in _LATER:
                self._later.append(program)
            else:
                program.start()
                self._supervisor.add(program)

    def wait_until_ready(self, host: str, port: int) -> None:
        """Return when the API reports that it is ready, and every worker consumes.

        Raises:
            ServiceFailedError: it is not ready in time; names what is missing.
            StopRequestedError: a signal asked for the end.
        """
        ends_at = time.monotonic() + READY_SECONDS
        while unready := self._not_ready(host, port):
            self._terminal.waiting_for(unready)
            self.signals.check()
            self._supervisor.tick()
            self._refuse_the_hopeless()
            if time.monotonic() > ends_at:
                logs = "\n".join(process.tail(self._folder.logs / f"{name}.log", 5) for name in unready)
                raise ServiceFailedError(
                    f"not ready within {READY_SECONDS:g} s: {', '.join(unready)}. Their logs in {self._folder.logs} "
                    f"end with:\n{logs}"
                )
            self.signals.wait(_POLL_SECONDS)
        self._terminal.waiting_for([])
        for program in self._later:
            program.start()
            self._supervisor.add(program)

    def reload_on_change(self, root: Path, launcher: Launcher, is_answering: Callable[[], bool]) -> None:
        """Replace our processes whenever files of the project in the folder `root` change."""
        self._reload = Reload(ChangedFiles(root), launcher, self._supervisor, self._terminal, is_answering)

    def supervise(self) -> None:
        """Keep everything running until a signal asks for the end."""
        while not self.signals.wait(_POLL_SECONDS if self._reload and self._reload.is_busy else _TICK_SECONDS):
            self._supervisor.tick()
            if self._reload:
                self._reload.tick()

    def stop(self) -> None:
        """Stop everything in order, within ten seconds."""
        self._terminal.waiting_for([])
        if self._reload:
            self._reload.stop()
        self._supervisor.stop(stop_order(unit.name for unit in self._supervisor.everything), within=STOP_SECONDS)

    def _collect(self, started: dict[Future[None], tuple[str, float]]) -> None:
        left = dict(started)
        while left:
            self.signals.check()
            for future in [each for each in left if each.done()]:
                name, began = left.pop(future)
                future.result()
                self._terminal.done(name, time.monotonic() - began)
                self._terminal.waiting_for([each for each, _ in left.values()])
            self.signals.wait(_POLL_SECONDS)
        self._terminal.waiting_for([])

    def _not_ready(self, host: str, port: int) -> list[str]:
        programs_ = [unit for unit in self._supervisor.units if isinstance(unit, Program)]
        unready = [unit.name for unit in programs_ if unit.name.startswith(WORKER_PREFIX) and not unit.is_ready()]
        return unready if answers(host, port) else ["web", *unready]

    def _refuse_the_hopeless(self) -> None:
        for unit in self._supervisor.units:
            if self._supervisor.deaths(unit.name) >= _HOPELESS:
                raise ServiceFailedError(
                    f"{unit.name} dies again and again: its log is {unit.log}, and ends with:\n{process.tail(unit.log)}"
                )


def answers(host: str, port: int) -> bool:
    """Say whether the API at this address is ready."""
    connection = http.client.HTTPConnection(_reachable(host), port, timeout=2)
    with suppress(OSError, http.client.HTTPException):
        connection.request("GET", "/readyz")
        ready = connection.getresponse().status == http.client.OK
        connection.close()
        return ready
    connection.close()
    return False


def _reachable(host: str) -> str:
    """Return an address under which a server that listens on `host` is reached from here."""
    with suppress(ValueError):  # a name, which is reached as it is
        if ipaddress.ip_address(host).is_unspecified:
            return ports.LOOPBACK
    return host
