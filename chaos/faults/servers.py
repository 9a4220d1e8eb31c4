"""Faults of any server: stopped for a while, or ended and started again."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from chaos.faults.blow import Act, Blow
from chaos.servers import START_SECONDS
from gristmill.services.service import Service


def pause_server(name: str) -> Act:
    """Stop a server: connections stay open, and nothing is answered."""

    def act(blow: Blow) -> str:
        server: Service = getattr(blow.arena.servers, name)
        server.pause()
        try:
            blow.arena.wait(blow.seconds)
        finally:
            server.resume()
        return f"{blow.seconds:.1f} s"

    return act


def down(name: str, end: Callable[[Any], object]) -> Act:
    """End a server, and start it again after a while."""

    def act(blow: Blow) -> str:
        server: Service = getattr(blow.arena.servers, name)
        end(server)
        try:
            blow.arena.wait(blow.seconds / 2)
        finally:
            server.start(START_SECONDS)
        return f"{blow.seconds / 2:.1f} s"

    return act
