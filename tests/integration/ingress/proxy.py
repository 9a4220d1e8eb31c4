"""A network between the app and Postgres that fails where it hurts most: around a COMMIT."""

import socket
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self
from urllib.parse import urlsplit

# What commits, and what Postgres says after it: COMMIT, or the one statement that accepts three jobs by itself.
COMMIT = (b"COMMIT", b"C\x00\x00\x00\x0bCOMMIT\x00")
STATEMENT = (b"WITH terms AS", b"SELECT 3\x00")


class Proxy:
    """Passes bytes on to Postgres, and cuts the line at the next COMMIT when it was told to.

    `cut_after`: Postgres commits, and the client never hears of it. `cut_before`: the COMMIT never arrives.
    """

    def __init__(self, database_url: str, commit: tuple[bytes, bytes] = COMMIT) -> None:
        target = urlsplit(database_url)
        self._target = (target.hostname or "127.0.0.1", target.port or 5432)
        self._listener = socket.create_server(("127.0.0.1", 0))
        port = self._listener.getsockname()[1]
        self.url = database_url.replace(f"{target.hostname}:{target.port}", f"127.0.0.1:{port}")
        self._commit, self._committed = commit
        self.cut_before = False
        self.cut_after = False
        self.cuts = 0
        self._open: list[socket.socket] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listener.close()
        for one in self._open:
            _cut(one)

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            server = socket.create_connection(self._target)
            self._open += [client, server]
            threading.Thread(target=self._to_server, args=(client, server), daemon=True).start()
            threading.Thread(target=self._to_client, args=(client, server), daemon=True).start()

    def _to_server(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := client.recv(65_536):
                if self.cut_before and self._commit in data:
                    self.cut_before = False
                    self.cuts += 1
                    break
                server.sendall(data)
        _cut(client)
        _cut(server)

    def _to_client(self, client: socket.socket, server: socket.socket) -> None:
        with suppress(OSError):
            while data := server.recv(65_536):
                if self.cut_after and self._committed in data:
                    self.cut_after = False
                    self.cuts += 1
                    break
                client.sendall(data)
        _cut(client)
        _cut(server)


def _cut(one: socket.socket) -> None:
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()
