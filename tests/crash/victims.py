"""Processes of the platform that die at a named point, and how their deaths are seen."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

import httpx
import psutil

from gristmill import ports
from gristmill.shared.base.crashpoints import VARIABLE
from tests.cluster import Cluster, Member
from tests.eventually import eventually
from tests.processes import all_have_ended

DATA: Final = "data_processing_queue"
# What runs, its arguments, and what its log says when it works (nothing: it touches a file).
KINDS: Final[dict[str, tuple[tuple[str, ...], str]]] = {
    "web": (("web",), ""),
    "relay": (("relay",), "relay.started"),
    "worker": (("worker", "--queue", DATA, "--concurrency", "1"), ""),
    "maintenance": (("maintenance",), "maintenance.started"),
    "beat": (("beat",), "beat.started"),
}
FORKS: Final = ("web", "worker")  # what works there is a child, which dies; its parent would make another


@dataclass
class Victim:
    """A process that kills itself when it gets to a point for the n-th time."""

    kind: str
    member: Member
    url: str
    workers: list[psutil.Process]

    killed_itself: bool = False

    def lives(self) -> bool:
        """Say whether it lives; when it does not, note how it died and end what is left of it."""
        if self.kind in FORKS:
            if self.member.is_running and not all_have_ended(self.workers):
                return True
        elif self.member.is_running:
            return True
        if not self.killed_itself:
            self.killed_itself = eventually(self._was_sigkill)
            if self.member.is_running:
                self.member.kill()  # before its next child dies in the same place
        return False

    def _was_sigkill(self) -> bool:
        """Who sees it end tells by which signal; a web's server only tells that it did not end it."""
        if self.kind == "web":
            return self.member.is_running
        if self.kind == "worker":
            # A parent that ends with its children does not tell how they ended; the child says where it dies.
            return "signal 9 (SIGKILL)" in self.member.output or "dies at the crash point" in self.member.output
        return self.member.process.returncode == -signal.SIGKILL


@contextmanager
def victims(cluster: Cluster, kind: str, point: str, hits: tuple[int, ...]) -> Iterator[list[Victim]]:
    """Start one process for each of `hits`, at the same time, and yield them when they work."""
    arguments, sign = KINDS[kind]
    made: list[Victim] = []
    try:
        for hit in hits:
            port = ports.free_port()
            env = {**cluster._env, VARIABLE: f"{point}:{hit}", "GRISTMILL_PORT": str(port)}
            member = Member(f"{kind}-{point}-{hit}", arguments, env, cluster.folder, sign)
            made.append(Victim(kind, member, f"http://{ports.LOOPBACK}:{port}", []))
            member.start()
        for victim in made:
            if kind == "web":
                answers(victim.url)
            else:
                victim.member.wait_until_ready()
            victim.workers = victim.member.children if kind in FORKS else []
        yield made
    finally:
        for victim in made:
            victim.member.stop()


def answers(url: str) -> None:
    eventually(lambda: httpx.get(f"{url}/healthz", trust_env=False).is_success, within=60)


@contextmanager
def stand_still(member: Member) -> Iterator[None]:
    """Have a process do nothing for a while, and its children; what it holds it goes on to hold."""
    everybody = [member.process.pid, *(child.pid for child in member.children)]
    for pid in everybody:
        os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        for pid in everybody:
            os.kill(pid, signal.SIGCONT)
