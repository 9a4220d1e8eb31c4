"""Mail catcher: an SMTP server that delivers nothing, with a page and a JSON view of the mails it caught.

`python -m gristmill.services.mailcatcher --smtp-port 1025 --http-port 8025`

GET /mail[?to=…&limit=…] (JSON, newest first) · GET /mail/{id} (source) · DELETE /mail · GET / (a page to read).
"""

import argparse
import asyncio
import html
import json
import re
import signal
import threading
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from email import message_from_bytes, policy
from email.message import EmailMessage
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import cast
from urllib.parse import parse_qs, urlsplit

from aiosmtpd.smtp import SMTP, Envelope, Session

from gristmill.ports import LOOPBACK

KEPT_MESSAGES = 1_000
KEPT_BYTES = 64 * 1024 * 1024  # together; the oldest go first
LARGEST_MESSAGE_BYTES = 10 * 1024 * 1024

_PAGE = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Caught mail</title>
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem}}
article{{border-top:1px solid #ccc;padding:1rem 0}} pre{{white-space:pre-wrap;overflow-wrap:anywhere}}</style>
<h1>Caught mail</h1><p>{count} caught so far, the newest {shown} below. <a href="/mail">As JSON</a></p>
{articles}</html>"""
_ARTICLE = """<article><h2>{subject}</h2>
<p>From {sender} to {to}, {received_at} · <a href="/mail/{id}">source</a></p><pre>{text}</pre></article>
"""


@dataclass(frozen=True, slots=True)
class Mail:
    """One message as it was received."""

    id: int
    sender: str
    recipients: Sequence[str]
    received_at: datetime
    source: bytes

    def as_json(self) -> dict[str, object]:
        """Return the message for the JSON view; a header that cannot be parsed is shown raw, or left out."""
        message = message_from_bytes(self.source, policy=policy.default)
        return {
            "id": self.id,
            "message_id": _header(message, "Message-ID"),
            "from": _header(message, "From") or self.sender,
            "to": list(self.recipients),
            "subject": _header(message, "Subject"),
            "received_at": self.received_at.isoformat(),
            "text": _body(message, "plain"),
            "html": _body(message, "html"),
        }


class Mailbox:
    """The latest messages, bounded in number and bytes. Safe to use from several threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._mails: deque[Mail] = deque()
        self._bytes = 0
        self._count = 0
        self._last_id = 0

    @property
    def count(self) -> int:
        """The number of mails caught since the start or the last clearing, dropped ones included."""
        return self._count

    def put(self, sender: str, recipients: Sequence[str], source: bytes) -> None:
        """Keep a message, and drop the oldest ones while there are too many."""
        with self._lock:
            self._count += 1
            self._last_id += 1
            self._bytes += len(source)
            self._mails.append(Mail(self._last_id, sender, tuple(recipients), datetime.now(UTC), source))
            while len(self._mails) > KEPT_MESSAGES or self._bytes > KEPT_BYTES:
                self._bytes -= len(self._mails.popleft().source)

    def newest(self, to: str | None = None, limit: int = KEPT_MESSAGES) -> list[Mail]:
        """Return the messages, newest first; only those to one address when `to` is given."""
        with self._lock:
            mails = list(reversed(self._mails))
        wanted = [mail for mail in mails if to is None or to.lower() in map(str.lower, mail.recipients)]
        return wanted[:limit]

    def clear(self) -> None:
        """Drop all messages and reset the count."""
        with self._lock:
            self._mails.clear()
            self._bytes = self._count = 0


class _Catcher:
    """The aiosmtpd handler."""

    def __init__(self, mailbox: Mailbox) -> None:
        self._mailbox = mailbox

    async def handle_DATA(self, _server: SMTP, _session: Session, envelope: Envelope) -> str:  # noqa: N802 - aiosmtpd's
        content = envelope.content or b""
        source = content if isinstance(content, bytes) else content.encode()
        self._mailbox.put(envelope.mail_from or "", envelope.rcpt_tos, source)
        return "250 caught"


class _View(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, address: tuple[str, int], mailbox: Mailbox) -> None:
        super().__init__(address, _Handler)
        self.mailbox = mailbox


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    timeout = 30

    def do_GET(self) -> None:
        mailbox = cast("_View", self.server).mailbox
        url = urlsplit(self.path)
        query = {name: values[-1] for name, values in parse_qs(url.query).items()}
        if url.path in {"/mail", "/"}:
            self._list(query.get("to"), query.get("limit", "100"), as_page=url.path == "/")
            return
        for mail in mailbox.newest():
            if url.path == f"/mail/{mail.id}":
                self._answer(HTTPStatus.OK, "text/plain", mail.source)
                return
        self._json(HTTPStatus.NOT_FOUND, {"error": "no such message is kept; the pages are /, /mail and /mail/{id}"})

    def _list(self, to: str | None, limit: str, *, as_page: bool) -> None:
        mailbox = cast("_View", self.server).mailbox
        if not re.fullmatch(r"\d{1,6}", limit):
            self._json(HTTPStatus.BAD_REQUEST, {"error": f"limit={limit!r} is not a number"})
            return
        mails = [mail.as_json() for mail in mailbox.newest(to, int(limit))]
        if as_page:
            self._answer(HTTPStatus.OK, "text/html", _page(mailbox.count, mails).encode())
        else:
            self._json(HTTPStatus.OK, {"count": mailbox.count, "messages": mails})

    def do_DELETE(self) -> None:
        if urlsplit(self.path).path != "/mail":
            self._json(HTTPStatus.NOT_FOUND, {"error": "only DELETE /mail exists: it clears the mailbox"})
            return
        cast("_View", self.server).mailbox.clear()
        self._json(HTTPStatus.OK, {"count": 0, "messages": []})

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the standard library's
        """Log nothing: a line for each request would bury the rest of the log."""

    def _json(self, status: HTTPStatus, value: object) -> None:
        self._answer(status, "application/json", json.dumps(value).encode())

    def _answer(self, status: HTTPStatus, media_type: str, content: bytes) -> None:
        self.send_response(status)
        self.send_header("Content-Type", f"{media_type}; charset=utf-8")
        self.send_header("Content-Length", str(len(content)))
        self.send_header("X-Content-Type-Options", "nosniff")  # what is in a mail is anybody's
        self.send_header("Content-Security-Policy", "default-src 'none'; style-src 'unsafe-inline'")
        self.end_headers()
        self.wfile.write(content)


async def listen(mailbox: Mailbox, host: str, port: int) -> asyncio.Server:
    """Listen for mail, and keep it in `mailbox`. The port 0 stands for a free one."""
    return await asyncio.get_running_loop().create_server(
        lambda: SMTP(
            _Catcher(mailbox), data_size_limit=LARGEST_MESSAGE_BYTES, enable_SMTPUTF8=True, hostname="localhost"
        ),
        host,
        port,
    )


async def serve(smtp_port: int, http_port: int, host: str = LOOPBACK) -> None:
    """Catch mail until SIGTERM or SIGINT.

    Raises:
        OSError: a port is taken.
    """
    mailbox, loop, stopped = Mailbox(), asyncio.get_running_loop(), asyncio.Event()
    for each in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(each, stopped.set)
    view = _View((host, http_port), mailbox)
    threading.Thread(target=view.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    smtp = await listen(mailbox, host, smtp_port)
    print(f"ready smtp://{host}:{smtp_port} http://{host}:{http_port}", flush=True)
    await stopped.wait()
    smtp.close()
    view.shutdown()
    view.server_close()


def main() -> None:
    """Run the mail catcher from the command line."""
    parser = argparse.ArgumentParser(prog="python -m gristmill.services.mailcatcher", description="Catch mail.")
    parser.add_argument("--smtp-port", type=int, required=True, help="port to which mail is sent")
    parser.add_argument("--http-port", type=int, required=True, help="port on which mail is read")
    arguments = parser.parse_args()
    asyncio.run(serve(arguments.smtp_port, arguments.http_port))


def _header(message: EmailMessage, name: str) -> str | None:
    try:
        return None if message[name] is None else str(message[name])
    except (ValueError, LookupError, AttributeError, IndexError):  # the parser of addresses trips over broken ones
        return dict(message.raw_items()).get(name)


def _body(message: EmailMessage, kind: str) -> str | None:
    part = message.get_body(preferencelist=(kind,))
    if part is None:
        return None
    try:
        return str(part.get_content())
    except (LookupError, ValueError, KeyError):  # an unknown charset, or no text after all
        return cast("bytes", part.get_payload(decode=True) or b"").decode(errors="replace")


def _page(count: int, mails: Sequence[dict[str, object]]) -> str:
    articles = "".join(
        _ARTICLE.format(
            id=mail["id"],
            subject=html.escape(str(mail["subject"] or "(no subject)")),
            sender=html.escape(str(mail["from"])),
            to=html.escape(", ".join(cast("list[str]", mail["to"]))),
            received_at=mail["received_at"],
            text=html.escape(str(mail["text"] or mail["html"] or "")),
        )
        for mail in mails
    )
    return _PAGE.format(count=count, shown=len(mails), articles=articles)


if __name__ == "__main__":
    main()
