"""Look at processes from outside: who belongs to a service, and who has ended."""

import contextlib
from pathlib import Path

import psutil

from gristmill.services.service import Service


def family(service: Service) -> list[psutil.Process]:
    """Every process of a service: our descendants that belong to it, and whoever works in its folder."""
    assert service.process is not None
    leader = psutil.Process(service.process.pid)
    return [leader, *leader.children(recursive=True), *working_in(service.data_dir)]


def working_in(folder: Path) -> list[psutil.Process]:
    found = []
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if Path(each.cwd()).is_relative_to(folder):
                found.append(each)
    return found


def command_line(each: psutil.Process) -> list[str]:
    """Its command line; empty where it ends while we look, as an autovacuum worker of Postgres does all the time."""
    with contextlib.suppress(psutil.NoSuchProcess):  # ZombieProcess is one
        return each.cmdline()
    return []


def has_ended(each: psutil.Process) -> bool:
    """A zombie has ended too: it waits for whoever is init here to look at it."""
    with contextlib.suppress(psutil.NoSuchProcess):
        return each.status() == psutil.STATUS_ZOMBIE
    return True


def all_have_ended(processes: list[psutil.Process]) -> bool:
    return all(map(has_ended, processes))
