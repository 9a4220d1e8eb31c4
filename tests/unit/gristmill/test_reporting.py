"""Reports of unexpected errors: sent to the address of the DSN, without secrets."""

import os
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.eventually import eventually

ROOT = Path(__file__).parents[3]
REQUIRED = {
    "GRISTMILL_DATABASE_URL": "postgresql://u:p@db/mill",
    "GRISTMILL_BROKER_URL": "amqp://u:p@mq//",
    "GRISTMILL_REDIS_URL": "redis://cache/0",
    "GRISTMILL_SMTP_URL": "smtp://mail:25",
    "GRISTMILL_SECRET_KEY": "k" * 32,
}
FAILS = """
import sys
import sentry_sdk
from gristmill.shared.base.sentry import configure_reporting
from gristmill.shared.settings import load_settings

configure_reporting(load_settings(dotenv=None), "web", framework="flask")
def connect(password):
    raise RuntimeError("postgresql://u:hush@db/mill refused, Authorization: Bearer hushhush")
try:
    connect("hush-hush")
except RuntimeError:
    sentry_sdk.capture_exception()
sentry_sdk.flush(60)
print([name for name in ("celery", "kombu") if name in sys.modules])
"""


@pytest.fixture
def reports() -> Iterator[tuple[str, list[bytes]]]:
    """A server that takes reports, and what it was sent (gzip is switched off by asking for none)."""
    received: list[bytes] = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            import gzip

            body = self.rfile.read(int(self.headers["Content-Length"]))
            received.append(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
            self.send_response(200)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"{}")

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    yield f"http://public@127.0.0.1:{server.server_port}/1", received
    server.shutdown()
    thread.join()
    server.server_close()


def run(**env: str) -> str:
    ended = subprocess.run(
        [sys.executable, "-c", FAILS],
        env={**os.environ, **REQUIRED, "PYTHONPATH": str(ROOT), **env},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert ended.returncode == 0, ended.stderr
    return ended.stdout.strip()


def test_an_error_is_reported_without_secrets_and_the_ingress_loads_no_celery(
    reports: tuple[str, list[bytes]],
) -> None:
    dsn, received = reports
    assert run(GRISTMILL_SENTRY_DSN=dsn) == "[]"
    text = eventually(lambda: b"\n".join(received).decode())
    assert "RuntimeError" in text
    assert "refused" in text
    assert "hush" not in text.replace("connect(", "")


def test_nothing_is_sent_without_a_place_to_send_it_to() -> None:
    assert run(GRISTMILL_SENTRY_DSN="") == "[]"
