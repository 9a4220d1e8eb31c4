"""This platform as a peer, and the naive view: the same processes as ever, asked over HTTP."""

from __future__ import annotations

import os
import sys
import threading
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import bench.peers.own_tasks  # noqa: F401  fills the registry, for the backlogs that are written without HTTP
from bench.client import Connection, request_of
from bench.clients import drive
from bench.ingress.servers import Servers
from bench.peers.environments import ROOT
from bench.peers.inside.serving import paced
from bench.peers.inside.work import MARKS
from bench.peers.peer import Peer
from bench.stack import QUEUE
from gristmill import ports, process

if TYPE_CHECKING:
    from bench.peers.peer import Spec
    from bench.peers.servers import PeerServers

POSTS: Final = "/api/v1/jobs"
_MAIN: Final = "import bench.peers.own_tasks; from gristmill.cli import main; main()"
_WORKER: Final = ["worker", "--queue", QUEUE.name, "--concurrency", "2"]


class AskedOverHttp(Peer):
    """A peer whose producer is a client of HTTP: `bench.client`, in a process of its own while it measures."""

    def __init__(self, spec: Spec, home: PeerServers) -> None:
        super().__init__(spec, home)
        self.servers = Servers(home.stack)

    def stop(self) -> None:
        super().stop()
        self.servers.__exit__()
        self.home.stack.forget_jobs()

    def closed(self, path: str, body: dict[str, Any], seconds: float, connections: int) -> dict[str, Any]:
        """Keep some connections busy, and return the rate of requests."""
        plan = {**self.plan(path, body), "connections": connections, "seconds": seconds}
        done = drive(plan, self.home.stack.environment)
        return done | {"rate": done["count"] / done["seconds"]}

    def plan(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        """Return what a client needs to know."""
        return {
            "host": ports.LOOPBACK,
            "port": self.servers.port_of("web"),
            "path": path,
            "status": 202,
            "headers": {"Authorization": f"Bearer {self.home.stack.key}"},
            "body": body,
        }


class Naive(AskedOverHttp):
    """Flask, a row, `.delay()`."""

    def start(self) -> None:
        self.servers.start_baseline("web", processes=1, threads=32)

    def ask(self, what: str, **more: Any) -> dict[str, Any]:
        assert what == "closed"  # noqa: S101  nothing else is measured of it
        return self.closed("/jobs", {"task": "demo.echo", "args": {"message": "m"}}, more["seconds"], more["at_once"])

    def stop(self) -> None:
        super().stop()
        self.home.stack.query("DROP TABLE IF EXISTS baseline_jobs")
        self.home.rabbitmq.api("DELETE", "/api/queues/%2F/celery")


class Own(AskedOverHttp):
    """Ingress, relay, worker and maintenance of this clone."""

    def __init__(self, spec: Spec, home: PeerServers) -> None:
        super().__init__(spec, home)
        self._own = threading.local()
        home.stack.environment[MARKS] = os.environ[MARKS] = str(home.marks.path)

    def start(self) -> None:
        self.bulk = True
        self.servers.start_ingress("web", "bench.peers.own_tasks:load")

    def start_workers(self) -> None:
        path = os.pathsep.join(filter(None, [str(ROOT), os.environ.get("PYTHONPATH", "")]))
        env = {**self.home.stack.environment, "PYTHONPATH": path}
        for name, command in (("maintenance", ["maintenance"]), ("relay", ["relay"]), ("worker", _WORKER)):
            full: list[str | Path] = [sys.executable, "-c", _MAIN, *command]
            self._running[name] = process.spawn(full, env=env, log=self.home.log(name), cwd=self.home.folder)

    def frozen_pids(self) -> list[int]:
        """The relay stands still too: what it costs belongs to the execution of a job."""
        return [self._running[name].pid for name in ("relay", "worker") if name in self._running]

    def effects(self) -> int:
        return int(self.home.stack.query("SELECT count(*) FROM gristmill.demo_effects")[0][0])

    def empty(self) -> None:
        self.home.stack.forget_jobs()

    def vacuum(self) -> None:
        self.home.stack.query("VACUUM (ANALYZE) gristmill.jobs, gristmill.outbox")

    def ask(self, what: str, **more: Any) -> dict[str, Any]:
        if what == "closed":
            return self.closed(POSTS, self._job("noop", 0.0), more["seconds"], more["at_once"])
        if what == "batches":
            jobs = {"jobs": [self._job("noop", 0.0)] * more["size"]}
            done = self.closed(f"{POSTS}/batch", jobs, more["seconds"], 1)
            return done | {"rate": done["rate"] * more["size"]}
        if what == "paced":
            return paced(self._post, more["kind"], more["rate"], more["count"], more["at_once"])
        job = self._job(more["kind"], 0.0)
        self.home.stack.fill(job["task"], job["args"], more["count"], "bench")
        return {}

    def _job(self, kind: str, sent: float) -> dict[str, Any]:
        """Return a job as it is posted: bundles are for work in the database, as docs/tasks.md says."""
        bundled = kind != "wait" and not self.spec.name.endswith("-alone")
        return {"task": "bench.bundled" if bundled else "bench.alone", "args": {"kind": kind, "sent": sent}}

    def _post(self, kind: str, sent: float) -> None:
        """Post one job on a connection of this thread's own."""
        if not hasattr(self._own, "connection"):
            self._own.connection = Connection(ports.LOOPBACK, self.servers.port_of("web"), b"202")
        self._own.connection.send(request_of(self.plan(POSTS, self._job(kind, sent))))
        while self._own.connection.receive() is None:
            pass
