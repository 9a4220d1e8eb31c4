"""Faults of the network: what the proxy does to connections."""

from __future__ import annotations

from chaos.faults.blow import Act, Blow


def cut(name: str) -> Act:
    """Cut connections to a server a few times."""

    def act(blow: Blow) -> str:
        cuts = 0
        for _ in range(3):
            cuts = blow.arena.network.cut(name, blow.chance.uniform(0.3, 1))
            blow.arena.wait(blow.seconds / 3)
        return f"{cuts} cuts so far"

    return act


def weather(name: str, mode: str) -> Act:
    """Have the proxy do something else than passing on, for a while."""

    def act(blow: Blow) -> str:
        network = blow.arena.network
        seconds, share = blow.chance.uniform(0.02, 0.4), blow.chance.uniform(0.2, 0.7)
        network.set_mode(name, mode, seconds=seconds, share=share)
        try:
            blow.arena.wait(blow.seconds)
        finally:
            cuts = network.set_mode(name, "pass")
        return f"{blow.seconds:.1f} s, {cuts} cuts so far"

    return act
