"""SMTP servers that take mail, and ones that misbehave, on real sockets."""

import socket
import ssl
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from email import message_from_bytes, policy
from email.message import EmailMessage
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import SMTP, AuthResult
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from gristmill.ports import free_port

USER, PASSWORD = "mill", "p@ss/word"


class Inbox:
    """What a server took, and what it says instead when it is told to."""

    def __init__(self, *, at_rcpt: str | None = None, at_data: str | None = None) -> None:
        self.at_rcpt, self.at_data = at_rcpt, at_data
        self.senders: list[str] = []
        self.recipients: list[str] = []
        self.mails: list[EmailMessage] = []

    async def handle_RCPT(  # noqa: N802  aiosmtpd finds it by this name
        self, server: Any, session: Any, envelope: Any, address: str, options: list[str]
    ) -> str:
        if self.at_rcpt is not None:
            return self.at_rcpt
        envelope.rcpt_tos.append(address)
        return "250 OK"

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:  # noqa: N802  the same
        if self.at_data is not None:
            return self.at_data
        self.senders.append(envelope.mail_from)
        self.recipients += envelope.rcpt_tos
        self.mails.append(message_from_bytes(envelope.content, policy=policy.default))
        return f"250 queued as {len(self.mails)}"


class _Controller(Controller):
    def __init__(self, inbox: Inbox, port: int, tls: ssl.SSLContext | None, **options: Any) -> None:
        self.options = options
        super().__init__(inbox, hostname="127.0.0.1", port=port, ssl_context=tls, ready_timeout=60)

    def factory(self) -> Any:
        return SMTP(self.handler, hostname="mill.test", enable_SMTPUTF8=True, **self.options)


@contextmanager
def smtp_server(inbox: Inbox, *, tls: ssl.SSLContext | None = None, **options: Any) -> Iterator[str]:
    """Run a server; yields its `host:port`."""
    controller = _Controller(inbox, free_port(), tls, **options)
    controller.start()
    try:
        yield f"127.0.0.1:{controller.port}"
    finally:
        controller.stop()


def authenticate(server: Any, session: Any, envelope: Any, mechanism: str, data: Any) -> AuthResult:
    """Let the one user in, by LOGIN or PLAIN."""
    good = (data.login, data.password) == (USER.encode(), PASSWORD.encode())
    return AuthResult(success=good, handled=False)  # it is for the server to answer


@contextmanager
def rude_server(*words: bytes, linger: bool = False, drip: bool = False) -> Iterator[str]:
    """Run a server that says `words`, each after it heard something, then hangs up, lingers, or drips for ever."""
    over = threading.Event()

    def converse(peer: socket.socket) -> None:
        with peer:
            peer.settimeout(60)
            try:
                for index, word in enumerate(words):
                    if index:
                        peer.recv(4096)
                    peer.sendall(word)
                while drip and not over.is_set():
                    peer.sendall(b"2")
                    time.sleep(0.05)
                if linger:
                    over.wait(30)
            except OSError:
                pass

    def accept() -> None:
        while not over.is_set():
            try:
                peer, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=converse, args=(peer,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=accept, daemon=True).start()
        try:
            yield f"127.0.0.1:{listener.getsockname()[1]}"
        finally:
            over.set()
            listener.shutdown(socket.SHUT_RDWR)


def make_certificate(folder: Path) -> tuple[ssl.SSLContext, Path]:
    """Return a server's TLS for 127.0.0.1, and the file of the certificate that a client has to trust for it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "mill.test")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(IPv4Address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    chain, private = folder / "server.pem", folder / "server.key"
    chain.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(chain, private)
    return context, chain
