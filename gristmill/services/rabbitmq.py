"""Private RabbitMQ node on loopback, for root and other users, with an epmd of its own."""

import base64
import http.client
import json
import os
import shutil
import signal
import socket
import time
from pathlib import Path
from urllib.parse import quote

from gristmill import ports, process
from gristmill.process import Process, ServiceFailedError
from gristmill.services.secret import kept_secret, private_folder, write_private
from gristmill.services.service import Service

USER = "gristmill"
NODE = "gristmill@localhost"  # the same for all: each node has an epmd of its own to be known to
INSTALL = "RabbitMQ is not installed: `apt-get install rabbitmq-server` (its system service need not run)"

_AMQP_HELLO = b"AMQP\x00\x00\x09\x01"
_METHOD_FRAME = b"\x01"  # what the broker's Connection.Start begins with; a refusal begins with "AMQP"

_CONFIG = """\
listeners.tcp.1 = {host}:{amqp}
management.tcp.ip = {host}
management.tcp.port = {management}
prometheus.tcp.ip = {host}
prometheus.tcp.port = {prometheus}
default_user = {user}
default_pass = {password}
disk_free_limit.absolute = 64MB
vm_memory_high_watermark.absolute = 512MB
raft.wal_max_size_bytes = 33554432
log.console = true
log.file = false
"""
_PLUGINS = "[rabbitmq_management,rabbitmq_prometheus].\n"


class RabbitMQ(Service):
    """A private RabbitMQ node.

    Args:
        data_dir: Its folder (created with mode 0700): the messages, the password, the cookie, the log.
        port: Its AMQP port; a free one when None. All its ports stay the same over restarts of this object.
        management_port: The port of its management page and API; a free one when None.
    """

    name = "rabbitmq"

    def __init__(self, data_dir: Path, port: int | None = None, management_port: int | None = None) -> None:
        super().__init__(data_dir)
        self.port = port or ports.free_port()
        self.management_port = management_port or ports.free_port()
        self.prometheus_port = ports.free_port()
        self.epmd: Process | None = None
        self._epmd_port = ports.free_port()
        self._distribution_port = ports.free_port()
        self._ctl_port = ports.free_port()

    @property
    def management_url(self) -> str:
        """The URL of the management page and API, credentials included."""
        return f"http://{USER}:{self._password()}@{ports.LOOPBACK}:{self.management_port}"

    def url(self, vhost: str = "/") -> str:
        """Return the URL of one of its virtual hosts, credentials included: `amqp://…`."""
        return f"amqp://{USER}:{self._password()}@{ports.LOOPBACK}:{self.port}/{quote(vhost, safe='')}"

    def start(self, deadline_seconds: float = 60.0) -> None:
        """Start the node and return when it answers an AMQP handshake; some 5 s, and up to 25 s on a busy machine.

        Raises:
            ServiceFailedError: it did not start in time, or is not installed.
            PortInUseError: a port is taken.
        """
        server = find_rabbitmq()
        if server is None:
            raise ServiceFailedError(INSTALL)
        ports.require_free(self.port, setting="GRISTMILL_RABBITMQ_PORT")
        ports.require_free(self.management_port, setting="GRISTMILL_RABBITMQ_MANAGEMENT_PORT")
        self._write_files()
        try:
            if self.epmd is None or self.epmd.poll() is not None:
                self._start_epmd()
            self.process = process.spawn([server], env=self._environment(), log=self.log, cwd=self.data_dir)
            process.wait_until_ready(
                "RabbitMQ", self.process, self._answers, log=self.log, deadline_seconds=deadline_seconds
            )
        except BaseException:
            self.stop()
            raise

    def stop(self, deadline_seconds: float = 3.0) -> None:
        """Stop the node in order, then its epmd.

        The queues are closed within a tenth of a second. After that the node waits 5 s for its web listeners, which is
        cut short: a kill loses nothing that was confirmed.
        """
        for each, seconds in ((self.process, deadline_seconds), (self.epmd, 2.0)):
            if each is not None:
                process.stop(each, signal.SIGTERM, seconds)

    def create_vhost(self, name: str) -> str:
        """Create a virtual host with all permissions for our user, and return its URL."""
        vhost = quote(name, safe="")
        self.api("PUT", f"/api/vhosts/{vhost}")
        self.api("PUT", f"/api/permissions/{vhost}/{USER}", {"configure": ".*", "write": ".*", "read": ".*"})
        return self.url(name)

    def delete_vhost(self, name: str) -> None:
        """Delete a virtual host with its queues; its connections are closed."""
        self.api("DELETE", f"/api/vhosts/{quote(name, safe='')}")

    def api(self, method: str, path: str, body: object = None, deadline_seconds: float = 20.0) -> object:
        """Call the management API, which comes up a moment after the node; return its JSON answer, None when empty.

        Args:
            method: The HTTP method.
            path: The path, from `/api/` on; names in it quoted.
            body: Sent as JSON.
            deadline_seconds: Time for the API to come up, and to answer.

        Raises:
            ServiceFailedError: it refused, or did not answer in time.
        """
        ends_at = time.monotonic() + deadline_seconds
        while True:
            try:
                return self._call_api(method, path, body, deadline_seconds)
            except ConnectionRefusedError as error:
                if time.monotonic() > ends_at:
                    raise ServiceFailedError(f"RabbitMQ's management API does not answer: see {self.log}") from error
                time.sleep(0.05)

    def _call_api(self, method: str, path: str, body: object, timeout: float) -> object:
        credentials = base64.b64encode(f"{USER}:{self._password()}".encode()).decode()
        headers = {"Authorization": f"Basic {credentials}", "Content-Type": "application/json"}
        connection = http.client.HTTPConnection(ports.LOOPBACK, self.management_port, timeout=timeout)
        try:
            connection.request(method, path, None if body is None else json.dumps(body), headers)
            answer = connection.getresponse()
            content = answer.read()
        finally:
            connection.close()
        if answer.status >= http.client.BAD_REQUEST:
            reason = content.decode(errors="replace")
            raise ServiceFailedError(f"RabbitMQ answered {answer.status} to {method} {path}: {reason}")
        return json.loads(content) if content else None

    def ctl(self, *arguments: str, deadline_seconds: float = 60.0) -> str:
        """Run `rabbitmqctl` against this node and return its output; it takes seconds, so prefer `api`.

        Raises:
            ServiceFailedError: it failed, or took too long.
        """
        server = find_rabbitmq()
        if server is None:
            raise ServiceFailedError(INSTALL)
        command: list[str | Path] = [server.with_name("rabbitmqctl"), "-n", NODE, *arguments]
        return process.output_of(command, deadline_seconds, env=self._environment())

    def _start_epmd(self) -> None:
        """Start the name server in the foreground, to die with us: the one that a node starts would outlive both."""
        found = shutil.which("epmd") or "epmd"
        command = [found, "-port", str(self._epmd_port), "-address", ports.LOOPBACK]
        self.epmd = process.spawn(command, env=self._environment(), log=self.data_dir / "epmd.log", cwd=self.data_dir)
        process.wait_until_ready(
            "epmd",
            self.epmd,
            lambda: ports.is_answered(self._epmd_port),
            log=self.data_dir / "epmd.log",
            deadline_seconds=10,
        )

    def _write_files(self) -> None:
        private_folder(self.data_dir)
        cookie = self.data_dir / ".erlang.cookie"
        kept_secret(cookie)
        cookie.chmod(0o400)  # Erlang insists; made by us because its own is guessed from the time
        write_private(
            self.data_dir / "rabbitmq.conf",
            _CONFIG.format(
                host=ports.LOOPBACK,
                amqp=self.port,
                management=self.management_port,
                prometheus=self.prometheus_port,
                user=USER,
                password=self._password(),
            ),
        )
        write_private(self.data_dir / "advanced.config", "[].\n")
        write_private(self.data_dir / "enabled_plugins", _PLUGINS)

    def _environment(self) -> dict[str, str]:
        folder = self.data_dir
        return process.plain_environment(
            {
                "HOME": str(folder),
                "RABBITMQ_NODENAME": NODE,
                "RABBITMQ_USE_LONGNAME": "false",
                "RABBITMQ_DIST_PORT": str(self._distribution_port),
                "RABBITMQ_CTL_DIST_PORT_MIN": str(self._ctl_port),
                "RABBITMQ_CTL_DIST_PORT_MAX": str(self._ctl_port),
                "ERL_EPMD_PORT": str(self._epmd_port),
                "ERL_EPMD_ADDRESS": ports.LOOPBACK,
                "RABBITMQ_CONF_ENV_FILE": os.devnull,
                "RABBITMQ_CONFIG_FILE": str(folder / "rabbitmq.conf"),
                "RABBITMQ_ADVANCED_CONFIG_FILE": str(folder / "advanced.config"),
                "RABBITMQ_ENABLED_PLUGINS_FILE": str(folder / "enabled_plugins"),
                "RABBITMQ_MNESIA_BASE": str(folder / "mnesia"),
                "RABBITMQ_LOG_BASE": str(folder / "log"),
                "RABBITMQ_PID_FILE": str(folder / "rabbitmq.pid"),
                # The start script then becomes the node instead of waiting for it, so that signals reach the node.
                "RUNNING_UNDER_SYSTEMD": "true",
                "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": (
                    "+S 1:1 +SDcpu 1:1 +A 8 -start_epmd false -kernel inet_dist_use_interface {127,0,0,1}"
                ),
            }
        )

    def _answers(self) -> bool:
        try:
            with socket.create_connection((ports.LOOPBACK, self.port), timeout=5) as connection:
                connection.sendall(_AMQP_HELLO)
                return connection.recv(1) == _METHOD_FRAME
        except OSError:
            return False


def find_rabbitmq() -> Path | None:
    """Return the server's start script that keeps the user, or None when RabbitMQ is not installed.

    The `rabbitmq-server` on the PATH of a Debian machine changes to the user `rabbitmq`; the one behind it does not.
    """
    if chosen := os.environ.get("GRISTMILL_RABBITMQ_BIN"):
        candidates = [Path(chosen) / "rabbitmq-server"]
    else:
        candidates = [Path("/usr/lib/rabbitmq/bin/rabbitmq-server"), Path("/opt/rabbitmq/sbin/rabbitmq-server")]
    return next((each for each in candidates if os.access(each, os.X_OK)), None)
