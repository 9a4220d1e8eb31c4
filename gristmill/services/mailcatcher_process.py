"""Start and stop the mail catcher, a process of its own, as the other private servers are."""

import signal
from pathlib import Path

from gristmill import ports, process
from gristmill.children import python_module, search_path
from gristmill.services.secret import private_folder
from gristmill.services.service import Service


class MailCatcher(Service):
    """A mail catcher process; caught mail is lost when it ends.

    Args:
        data_dir: Its folder (created with mode 0700), for the log.
        smtp_port: The port to which mail is sent; a free one when None.
        http_port: The port on which mail is read; a free one when None.
    """

    name = "mailcatcher"

    def __init__(self, data_dir: Path, smtp_port: int | None = None, http_port: int | None = None) -> None:
        super().__init__(data_dir)
        self.smtp_port = smtp_port or ports.free_port()
        self.http_port = http_port or ports.free_port()

    @property
    def smtp_url(self) -> str:
        """URL to which mail is sent: `smtp://…`."""
        return f"smtp://{ports.LOOPBACK}:{self.smtp_port}"

    @property
    def url(self) -> str:
        """URL on which mail is read: `http://…`; the JSON view is under `/mail`."""
        return f"http://{ports.LOOPBACK}:{self.http_port}"

    def start(self, deadline_seconds: float = 30.0) -> None:
        """Start it and return when it answers.

        Raises:
            ServiceFailedError: it did not start in time.
            PortInUseError: a port is taken.
        """
        private_folder(self.data_dir)
        ports.require_free(self.smtp_port, setting="GRISTMILL_SMTP_PORT")
        ports.require_free(self.http_port, setting="GRISTMILL_MAIL_PORT")
        self.process = process.spawn(
            python_module("gristmill.services.mailcatcher", *self._arguments()),
            env=process.plain_environment(search_path()),
            log=self.log,
        )
        try:
            process.wait_until_ready(
                "the mail catcher", self.process, self._answers, log=self.log, deadline_seconds=deadline_seconds
            )
        except BaseException:
            self.stop()
            raise

    def stop(self, deadline_seconds: float = 5.0) -> None:
        """Stop it."""
        if self.process is not None:
            process.stop(self.process, signal.SIGTERM, deadline_seconds)

    def _arguments(self) -> list[str]:
        return ["--smtp-port", str(self.smtp_port), "--http-port", str(self.http_port)]

    def _answers(self) -> bool:
        return all(map(ports.is_answered, (self.http_port, self.smtp_port)))
