"""A way to the ingress that breaks as networks and servers do: answers that are lost, cut in half, stuck or slow."""

import socket
import threading
from contextlib import suppress

from gristmill import ports


class Line:
    """Carries bytes between clients and the ingress, and spoils answers when it is asked to.

    `spoil("lose", 2)` spoils the next two answers: `lose` cuts the connection before the answer, `half` in its middle;
    `stall` carries one half and then nothing, `trickle` carries one byte after another without end.
    """

    def __init__(self, port: int) -> None:
        self._upstream = port
        self._server = socket.create_server((ports.LOOPBACK, 0))
        self.url = f"http://{ports.LOOPBACK}:{self._server.getsockname()[1]}"
        self.spoilt = 0
        self.open = 0  # connections
        self.opened = 0  # the same, with those that are closed
        self._kind = "lose"
        self._left = 0
        self._choosing = threading.Lock()
        self._closed = threading.Event()
        self._carried: list[socket.socket] = []
        threading.Thread(target=self._serve, daemon=True).start()

    def spoil(self, kind: str, answers: int) -> None:
        with self._choosing:
            self._kind, self._left = kind, answers

    def _serve(self) -> None:
        with suppress(OSError):
            while True:
                near, _ = self._server.accept()
                threading.Thread(target=self._carry, args=(near,), daemon=True).start()

    def _carry(self, near: socket.socket) -> None:
        self._carried.append(near)
        with self._choosing:
            self.open += 1
            self.opened += 1
        try:
            self._carry_both_ways(near)
        finally:
            with self._choosing:
                self.open -= 1

    def _carry_both_ways(self, near: socket.socket) -> None:
        with suppress(OSError), near, socket.create_connection((ports.LOOPBACK, self._upstream)) as far:
            threading.Thread(target=self._pump, args=(near, far), daemon=True).start()
            while data := far.recv(65_536):
                kind = self._choose()
                if kind is not None:
                    self._spoil(kind, near, data)
                    for end in (near, far):
                        end.shutdown(socket.SHUT_RDWR)
                    return
                near.sendall(data)

    def _choose(self) -> str | None:
        with self._choosing:
            if not self._left:
                return None
            self._left -= 1
            self.spoilt += 1
            return self._kind

    def _spoil(self, kind: str, near: socket.socket, data: bytes) -> None:
        head, _, _ = data.partition(b"\r\n\r\n")
        if kind in ("half", "stall"):
            near.sendall(data[: len(head) + 8])
        if kind == "stall":
            self._closed.wait()
        if kind == "trickle":
            near.sendall(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nConnection: close\r\n\r\n")
            while not self._closed.wait(0.05):
                near.sendall(b" ")

    def _pump(self, source: socket.socket, target: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65_536):
                target.sendall(data)
            target.shutdown(socket.SHUT_RDWR)

    def cut(self) -> None:
        """Cut every connection that is open; new ones are taken."""
        while self._carried:
            with suppress(OSError):
                self._carried.pop().shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self._closed.set()
        self._server.close()
        self.cut()
