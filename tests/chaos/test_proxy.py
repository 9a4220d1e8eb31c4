"""The nemesis's network: it passes on, cuts, swallows and refuses, and is whole again afterwards."""

import os
import socket
import threading
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from chaos.network import Network
from gristmill.children import search_path
from gristmill.up.environment import child_environment
from tests.eventually import eventually

ROOT = Path(__file__).parents[2]


@pytest.fixture
def echo() -> Iterator[int]:
    """The port of a server that says everything back."""

    def serve(connection: socket.socket) -> None:
        with suppress(OSError), connection:
            while data := connection.recv(1024):
                connection.sendall(data)

    def accept() -> None:
        with suppress(OSError):
            while True:
                threading.Thread(target=serve, args=(listener.accept()[0],), daemon=True).start()

    listener = socket.create_server(("127.0.0.1", 0))
    threading.Thread(target=accept, daemon=True).start()
    yield listener.getsockname()[1]
    listener.close()


@pytest.fixture
def network(tmp_path: Path, echo: int) -> Iterator[Network]:
    made = Network(tmp_path, {"echo": echo}, seed="1", env={**child_environment(dict(os.environ)), **search_path(ROOT)})
    made.start()
    yield made
    made.stop()


def call(network: Network, text: bytes = b"hello") -> bytes:
    with socket.create_connection(("127.0.0.1", network.ports["echo"]), timeout=1) as connection:
        connection.sendall(text)
        return connection.recv(1024)


def test_it_passes_on_what_is_said(network: Network) -> None:
    assert call(network) == b"hello"


def test_it_cuts_the_connections_that_are_there(network: Network) -> None:
    with socket.create_connection(("127.0.0.1", network.ports["echo"]), timeout=30) as connection:
        connection.sendall(b"hello")
        assert connection.recv(1024) == b"hello"
        assert network.cut("echo") == 1
        with pytest.raises(ConnectionResetError):
            connection.recv(1024)
    assert call(network) == b"hello"


@pytest.mark.parametrize("mode", ["black-hole", "freeze"])
def test_it_swallows_and_holds_back(network: Network, mode: str) -> None:
    network.set_mode("echo", mode)
    with pytest.raises(TimeoutError):
        call(network)
    network.heal()
    assert call(network) == b"hello"


def test_what_was_held_back_arrives_in_the_end(network: Network) -> None:
    with socket.create_connection(("127.0.0.1", network.ports["echo"]), timeout=30) as connection:
        network.set_mode("echo", "freeze")
        connection.sendall(b"hello")
        network.heal()
        assert connection.recv(1024) == b"hello"


def test_it_refuses_connections(network: Network) -> None:
    network.set_mode("echo", "refuse")
    with pytest.raises(ConnectionRefusedError):
        call(network)
    network.heal()
    assert eventually(lambda: call(network)) == b"hello"


@pytest.mark.parametrize(("share", "said"), [(1.0, False), (0.0, True)])
def test_it_cuts_at_a_commit_before_it_arrives_or_before_it_is_answered(
    network: Network, share: float, said: bool
) -> None:
    network.set_mode("echo", "commit", share=share)
    answer = b""
    with suppress(ConnectionResetError):
        answer = call(network, b"COMMIT")
    assert (answer == b"COMMIT") is said
