"""Submit one mail to an SMTP server, and tell temporary failures from permanent ones."""

from __future__ import annotations

import smtplib
import ssl
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import timedelta
from email import policy
from email.message import EmailMessage
from typing import Final
from urllib.parse import unquote, urlsplit

from gristmill.shared.errors import PermanentError, TransientError
from gristmill.shared.outgoing.deadline import hang_up_after
from gristmill.shared.settings import Secret

PATIENCE: Final = 10.0  # seconds for each step of the conversation
LONGEST: Final = timedelta(seconds=40)  # for all of it; shorter than the time limit of email.send
_PORTS: Final = {"smtp": 25, "smtps": 465, "smtp+starttls": 587}
_PERMANENT: Final = 500
_LONGEST_REPLY: Final = 500  # characters that are kept


@dataclass(frozen=True, slots=True, kw_only=True)
class MailServer:
    """The server to which mail is submitted. `security`: none, TLS from the first byte (`smtps`), or STARTTLS."""

    host: str
    port: int
    security: str
    user: str | None
    password: str | None = field(repr=False)

    @classmethod
    def from_url(cls, url: Secret) -> MailServer:
        """Read `smtp://`, `smtps://` or `smtp+starttls://user:password@host:port`."""
        parts = urlsplit(url.reveal())
        return cls(
            host=parts.hostname or "127.0.0.1",
            port=parts.port or _PORTS[parts.scheme],
            security=parts.scheme,
            user=unquote(parts.username) if parts.username else None,
            password=unquote(parts.password) if parts.password else None,
        )


def submit(server: MailServer, message: EmailMessage, *, sender: str, recipient: str, helo: str) -> str:
    """Submit `message` and return the reply of the server, which is responsible for the mail from then on.

    Args:
        sender: the address of the envelope, to which bounces go.
        helo: the name of this host in the greeting.

    Raises:
        TransientError: no connection, no reply in time, or a reply of 4xx.
        PermanentError: a reply of 5xx, or a feature that the server lacks.
    """
    name = f"The mail server {server.host}:{server.port}"
    try:
        return _converse(server, message, sender, recipient, helo)
    except smtplib.SMTPServerDisconnected as error:
        raise TransientError(f"{name} hung up: {error}", code="SMTP_UNREACHABLE") from None
    except smtplib.SMTPResponseException as error:
        raise _reply_error(error) from None
    except (smtplib.SMTPException, UnicodeEncodeError) as error:  # after its subclasses, before OSError, its parent
        msg = f"{name} lacks a feature that is needed: {error}; check GRISTMILL_SMTP_URL"
        raise PermanentError(msg, code="SMTP_NOT_SUPPORTED") from None
    except OSError as error:  # refused, timed out, no such host, a certificate that is not trusted
        raise TransientError(f"{name} cannot be reached: {error}", code="SMTP_UNREACHABLE") from None


class _Plain(smtplib.SMTP):
    """SMTP that connects on demand, so that a deadline can be set on the connection first."""

    def __init__(self, server: MailServer, helo: str) -> None:
        super().__init__(timeout=PATIENCE, local_hostname=helo)
        self._host = server.host  # the name that STARTTLS verifies


class _Tls(smtplib.SMTP_SSL):
    """SMTP over TLS (`smtps`) that connects on demand."""

    def __init__(self, server: MailServer, helo: str) -> None:
        super().__init__(timeout=PATIENCE, local_hostname=helo, context=ssl.create_default_context())
        self._host = server.host  # the name that TLS verifies


def _converse(server: MailServer, message: EmailMessage, sender: str, recipient: str, helo: str) -> str:
    connection = (_Tls if server.security == "smtps" else _Plain)(server, helo)
    with hang_up_after(LONGEST, lambda: connection.sock):
        try:
            _expect(connection.connect(server.host, server.port), smtplib.SMTPConnectError)
            connection.ehlo_or_helo_if_needed()
            if server.security == "smtp+starttls":
                _expect(connection.starttls(context=ssl.create_default_context()), smtplib.SMTPResponseException)
                connection.ehlo_or_helo_if_needed()
            if server.user is not None:
                connection.login(server.user, server.password or "")
            return _transfer(connection, message, sender, recipient)
        finally:
            connection.close()


def _transfer(connection: smtplib.SMTP, message: EmailMessage, sender: str, recipient: str) -> str:
    options: list[str] = []
    rules = policy.SMTP
    if not (sender + recipient).isascii():
        if not connection.has_extn("smtputf8"):
            msg = "it does not take addresses beyond ASCII (no SMTPUTF8)"
            raise smtplib.SMTPNotSupportedError(msg)
        options, rules = ["SMTPUTF8", "BODY=8BITMIME"], policy.SMTPUTF8
    _expect(connection.mail(sender, options), smtplib.SMTPResponseException)
    _expect(connection.rcpt(recipient), smtplib.SMTPResponseException)
    code, reply = connection.data(message.as_bytes(policy=rules))
    _expect((code, reply), smtplib.SMTPDataError)
    with suppress(OSError):  # the reply is not awaited: the server has the mail already
        connection.putcmd("quit")
    return _text(code, reply)


def _expect(answer: tuple[int, bytes], error: type[smtplib.SMTPResponseException]) -> None:
    code, reply = answer
    if not 200 <= code < 300:  # noqa: PLR2004  2yz is "done" (RFC 5321, 4.2.1)
        raise error(code, reply)


def _reply_error(error: smtplib.SMTPResponseException) -> TransientError | PermanentError:
    text = f"SMTP {_text(error.smtp_code, error.smtp_error)}"
    if isinstance(error, smtplib.SMTPAuthenticationError):
        text += " (at login: check user and password in GRISTMILL_SMTP_URL)"
    if error.smtp_code >= _PERMANENT:
        return PermanentError(text, code="SMTP_REFUSED")
    return TransientError(text, code="SMTP_DEFERRED")


def _text(code: int, reply: bytes | str) -> str:
    words = reply.decode(errors="replace") if isinstance(reply, bytes) else reply
    return f"{code} {' '.join(words.split())}"[:_LONGEST_REPLY]
