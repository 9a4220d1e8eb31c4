"""Faults of the platform's own processes: killed, asked to end, stopped for a while."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import suppress
from typing import Final

import psutil

from chaos.faults.blow import Act, Blow
from gristmill.process import ServiceFailedError

LONGER: Final = 2.0  # a paused process sleeps so many times longer than a server: past its lease


def kill_process(beginning: str) -> Act:
    """Kill the leading process of one of these programs."""

    def act(blow: Blow) -> str:
        name = blow.choose(beginning)
        blow.arena.programs.signal(name, signal.SIGKILL)
        return name

    return act


def kill_web(blow: Blow) -> str:
    """Kill the ingress: its main process, or the one that serves."""
    if blow.chance.random() < 0.5:  # noqa: PLR2004  both are as likely to die
        return kill_process("web")(blow)
    return _kill_child(blow, "web")


def kill_worker_child(blow: Blow) -> str:
    """Kill one child of a worker."""
    return _kill_child(blow, "worker")


def _kill_child(blow: Blow, beginning: str) -> str:
    name = blow.choose(beginning)
    children = blow.arena.programs.family(name)[1:]
    if not children:
        raise ServiceFailedError(f"{name} has no children at the moment")
    blow.chance.choice(children).kill()
    return f"a child of {name}"


def terminate_process(blow: Blow) -> str:
    """Ask any process to end in order, as a deployment does."""
    name = blow.choose("")
    blow.arena.programs.signal(name, signal.SIGTERM)
    return name


def pause_process(beginning: str) -> Act:
    """Stop a program with all its children, and let it go on later: it does not know that time has passed."""

    def act(blow: Blow) -> str:
        name = blow.choose(beginning)
        paused = blow.arena.programs.family(name)
        try:
            _each(paused, psutil.Process.suspend)
            blow.arena.wait(blow.seconds * LONGER)
        finally:
            _each(paused, psutil.Process.resume)
        return name

    return act


def _each(processes: list[psutil.Process], act: Callable[[psutil.Process], None]) -> None:
    for one in processes:
        with suppress(psutil.NoSuchProcess):  # it ended meanwhile; psutil never hits another of the same number
            act(one)
