"""Measure what processes cost: processor time between two readings, and memory."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

import psutil

from gristmill import process

if TYPE_CHECKING:
    from bench.stack import Stack

_MIB: Final = 1024 * 1024
_UNREADABLE: Final = (OSError, psutil.Error)


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of one process, in MiB. Pss counts what several processes share once, divided among them."""

    name: str
    rss: float
    pss: float | None


def families(stack: Stack) -> dict[str, list[psutil.Process]]:
    """Return every process that runs for us, by name: the leading one first, then its children."""
    found: dict[str, list[psutil.Process]] = {}
    for name, pid in stack.pids().items():
        if members := process.family(pid):
            found[name] = members
    return found


def cpu_seconds(stack: Stack) -> dict[str, float]:
    """Return the processor seconds that everything has used so far, by name."""
    return {name: sum(map(_used, family)) for name, family in families(stack).items()}


def _used(each: psutil.Process) -> float:
    with contextlib.suppress(*_UNREADABLE):
        times = each.cpu_times()
        return float(times.user + times.system)
    return 0.0


def microseconds_each(before: dict[str, float], after: dict[str, float], count: int) -> str:
    """Return in words what one of `count` things has cost each process between two looks, dearest first."""
    spent = {name: (after[name] - before[name]) * 1e6 / max(1, count) for name in after if name in before}
    dearest = sorted(spent.items(), key=lambda item: -item[1])
    return ", ".join(f"{name} {cost:.0f}" for name, cost in dearest if cost >= 10)


def memory(stack: Stack) -> list[Memory]:
    """Return the memory of each process; Postgres' and the broker's many processes are one line each."""
    rows: list[Memory] = []
    for name, family in families(stack).items():
        looked = [each for each in map(_memory, family) if each is not None]
        if not looked:
            continue
        if name in ("worker", "web"):
            rows += [Memory(f"{name}, {_role(name, at)}", *each) for at, each in enumerate(looked)]
        else:
            shares = [pss for _, pss in looked if pss is not None]
            label = f"{name} ({len(looked)} processes)" if len(looked) > 1 else name
            rows.append(Memory(label, sum(rss for rss, _ in looked), sum(shares) if shares else None))
    return rows


def _role(name: str, at: int) -> str:
    return "parent" if at == 0 else f"child {at}" if name == "worker" else f"process {at}"


def _memory(each: psutil.Process) -> tuple[float, float | None] | None:
    with contextlib.suppress(*_UNREADABLE):
        rss = each.memory_info().rss / _MIB
        return rss, _pss(each.pid)
    return None


def share_of(pid: int) -> float:
    """Return the memory of a process in MiB: Pss, or Rss where the system does not tell it; 0 when it is gone."""
    with contextlib.suppress(*_UNREADABLE):
        found = _memory(psutil.Process(pid))
        return 0.0 if found is None else found[1] if found[1] is not None else found[0]
    return 0.0


def _pss(pid: int) -> float | None:
    """Read the proportional set size; None where the system does not tell."""
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="ascii").splitlines():
            if line.startswith("Pss:"):
                return int(line.split()[1]) / 1024
    return None
