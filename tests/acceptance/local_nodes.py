"""What pytest-celery's nodes stand on where there is no Docker engine: our private servers and processes."""

import os
import signal as signals
from typing import Any, ClassVar, cast

from pytest_celery import CeleryTestBroker, CeleryTestContainer, CeleryTestWorker

from gristmill.services.service import Service
from tests.cluster import Member
from tests.conftest import revive


class LocalServer:
    """A private server in the place of a container."""

    def __init__(self, service: Service, url: str) -> None:
        self.name = self.id = service.name
        self.celeryconfig = {"url": url, "host_url": url}
        self._service = service

    @property
    def status(self) -> str:
        return "running" if self._service.is_running() else "exited"

    def ready(self) -> bool:
        return self._service.is_running()

    def logs(self) -> str:
        return self._service.log.read_text(errors="replace")

    def kill(self, signal: str) -> None:
        assert signal == "SIGKILL"
        self._service.kill()

    def restart(self, timeout: int) -> None:
        revive(self._service)

    def reload(self) -> None:
        """Nothing is cached."""

    def teardown(self) -> None:
        """The server is the session's; what this test did to it is mended."""
        revive(self._service)


class LocalProcess:
    """A process of ours, or anybody's worker, in the place of a container."""

    celeryconfig: ClassVar[dict[str, Any]] = {}

    def __init__(self, member: Member) -> None:
        self.name = self.id = member.name
        self._member = member

    @property
    def status(self) -> str:
        return "running" if self._member.is_running else "exited"

    def ready(self) -> bool:
        self._member.wait_until_ready()
        return True

    def logs(self) -> str:
        return self._member.output

    def kill(self, signal: str) -> None:
        os.kill(self._member.process.pid, signals.Signals[signal])
        self._member.wait()

    def restart(self, timeout: int) -> None:
        self._member.stop()
        self._member.start()

    def reload(self) -> None:
        """Nothing is cached."""

    def teardown(self) -> None:
        self._member.stop()


def broker_node(service: Service, url: str) -> CeleryTestBroker:
    return CeleryTestBroker(cast("CeleryTestContainer", LocalServer(service, url)))


def worker_node(member: Member) -> CeleryTestWorker:
    return CeleryTestWorker(cast("CeleryTestContainer", LocalProcess(member)), app=None)
