"""Mail goes to a real server over a real socket, once, and every way of failing has its own ending."""

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from sqlalchemy import select, text
from uuid_utils.compat import uuid7

from gristmill.ports import free_port
from gristmill.shared.base.sealing import hash_token
from gristmill.shared.database.connect import Database
from gristmill.shared.errors import PermanentError, TransientError
from gristmill.shared.jobs.failure import describe
from gristmill.shared.jobs.models import Job
from gristmill.shared.outcomes import Discard
from gristmill.shared.settings import Secret
from gristmill.tasks.mail import smtp
from gristmill.tasks.mail.models import EmailMessageRow
from tests import platform_tasks as tasks
from tests.contexts import perform
from tests.integration.tasks.smtp_servers import (
    PASSWORD,
    USER,
    Inbox,
    authenticate,
    make_certificate,
    rude_server,
    smtp_server,
)

WELCOME = {"to": "ada@example.com", "template": "welcome", "context": {"name": "Ada"}}


@pytest.fixture
def send(database: Database) -> Callable[..., Any]:
    """Send a mail through the server at a URL."""

    def send(url: str, args: dict[str, Any] = WELCOME, **options: Any) -> Any:
        database.settings = replace(database.settings, smtp_url=Secret(url))
        return perform(database, tasks.send_email, args, **options)

    return send


def ledger(database: Database) -> EmailMessageRow:
    with database.transaction() as session:
        return session.scalars(select(EmailMessageRow)).one()


def test_a_mail_is_taken_and_the_ledger_says_so(database: Database, send: Callable[..., Any]) -> None:
    inbox, job_id = Inbox(), uuid7()
    with smtp_server(inbox) as place:
        result = send(f"smtp://{place}", job_id=job_id)
    [mail] = inbox.mails
    row = ledger(database)
    assert result == {"message_id": f"<{job_id}@mill.example>", "reply": "250 queued as 1"}
    assert (mail["Message-ID"], mail["Subject"]) == (result["message_id"], "Welcome, Ada")
    assert (inbox.senders, inbox.recipients) == (["no-reply@mill.example"], ["ada@example.com"])
    assert [part.get_content_type() for part in mail.iter_parts()] == ["text/plain", "text/html"]
    assert (row.job_id, row.status, row.smtp_reply, row.template) == (job_id, "sent", "250 queued as 1", "welcome")
    assert (row.recipient, row.subject, row.message_id) == ("ada@example.com", "Welcome, Ada", result["message_id"])
    assert row.sent_at is not None


def test_a_job_that_is_repeated_does_not_send_again_and_returns_the_same(send: Callable[..., Any]) -> None:
    inbox, job_id = Inbox(), uuid7()
    with smtp_server(inbox) as place:
        first = send(f"smtp://{place}", job_id=job_id)
        again = send(f"smtp://{place}", job_id=job_id, attempt=2)
    assert again == first
    assert len(inbox.mails) == 1


def test_a_mail_in_its_own_words_reaches_an_address_beyond_ascii(send: Callable[..., Any]) -> None:
    inbox = Inbox()
    with smtp_server(inbox) as place:
        send(f"smtp://{place}", {"to": "ädä@example.com", "subject": "Grüße", "text": ".\nThe mill – turns\n"})
    [mail] = inbox.mails
    assert inbox.recipients == ["ädä@example.com"]
    assert mail["Subject"] == "Grüße"
    assert mail.get_content().replace("\r\n", "\n") == ".\nThe mill – turns\n"


@pytest.mark.parametrize("where", ["at_rcpt", "at_data"])
@pytest.mark.parametrize(
    ("reply", "error", "code", "status"),
    [
        ("451 try again later", TransientError, "SMTP_DEFERRED", "sending"),
        ("550 no such person", PermanentError, "SMTP_REFUSED", "refused"),
    ],
)
def test_what_a_server_says_no_to_is_tried_again_or_not_by_its_code(
    database: Database,
    send: Callable[..., Any],
    where: str,
    reply: str,
    error: type[TransientError] | type[PermanentError],
    code: str,
    status: str,
) -> None:
    with smtp_server(Inbox(**{where: reply})) as place, pytest.raises(error, match=f"SMTP {reply}") as failed:
        send(f"smtp://{place}")
    assert describe(failed.value, task="email.send").code == code
    assert ledger(database).status == status


def test_a_mail_that_was_refused_can_be_sent_by_a_later_attempt(database: Database, send: Callable[..., Any]) -> None:
    inbox, job_id = Inbox(at_data="554 full"), uuid7()
    with smtp_server(inbox) as place:
        with pytest.raises(PermanentError):
            send(f"smtp://{place}", job_id=job_id)
        inbox.at_data = None
        send(f"smtp://{place}", job_id=job_id, attempt=2)
    assert ledger(database).status == "sent"


@pytest.mark.parametrize(
    "words",
    [
        [],
        [b"garbage\r\n"],
        [b"421 busy\r\n"],
        [b"220 hello\r\n"],
        [b"220 hello\r\n", b"250 hello\r\n", b"250 OK\r\n"],
        [b"220 hello\r\n", b"250 hello\r\n", b"250 OK\r\n", b"250 OK\r\n", b"354 go on\r\n"],
    ],
)
def test_a_server_that_hangs_up_at_any_time_is_tried_again(send: Callable[..., Any], words: list[bytes]) -> None:
    with rude_server(*words) as place, pytest.raises(TransientError):
        send(f"smtp://{place}")


def test_a_server_that_is_not_there_is_tried_again(send: Callable[..., Any]) -> None:
    with pytest.raises(TransientError, match="cannot be reached"):
        send(f"smtp://127.0.0.1:{free_port()}")


def test_a_server_that_says_nothing_is_given_up_after_its_time(
    send: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(smtp, "PATIENCE", 0.3)
    with rude_server(b"220 hello\r\n", linger=True) as place, pytest.raises(TransientError, match="timed out"):
        send(f"smtp://{place}")


def test_a_server_that_drips_is_cut_off(send: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(smtp, "LONGEST", timedelta(seconds=0.5))
    with rude_server(b"220 hel", drip=True) as place, pytest.raises(TransientError):
        send(f"smtp://{place}")


@pytest.mark.parametrize("scheme", ["smtps", "smtp+starttls"])
def test_tls_is_verified_and_the_user_signs_in_within_it(
    send: Callable[..., Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, scheme: str
) -> None:
    context, trusted = make_certificate(tmp_path)
    options: dict[str, Any] = {"authenticator": authenticate}
    if scheme == "smtps":
        options |= {"tls": context, "auth_require_tls": False}  # aiosmtpd knows TLS by STARTTLS only
    else:
        options |= {"tls_context": context, "require_starttls": True, "auth_required": True}
    inbox = Inbox()
    with smtp_server(inbox, **options) as place:
        with pytest.raises(TransientError, match="certificate verify failed"):
            send(f"{scheme}://{USER}:{quote(PASSWORD, safe='')}@{place}")
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))
        with pytest.raises(PermanentError, match="535") as refused:
            send(f"{scheme}://{USER}:wrong-secret@{place}")
        assert "wrong-secret" not in str(refused.value)
        send(f"{scheme}://{USER}:{quote(PASSWORD, safe='')}@{place}")
    assert len(inbox.mails) == 1


def test_a_server_without_starttls_gets_no_mail_in_the_clear(send: Callable[..., Any]) -> None:
    inbox = Inbox()
    with smtp_server(inbox) as place, pytest.raises(PermanentError, match="STARTTLS"):
        send(f"smtp+starttls://{place}")
    assert inbox.mails == []


def test_the_link_in_the_mail_holds_the_token_whose_hash_is_stored(
    database: Database, send: Callable[..., Any]
) -> None:
    ada = {"email": "ada@example.com", "password": "Lovelace1", "full_name": "Ada"}
    perform(database, tasks.create_user, ada)
    inbox = Inbox()
    with database.transaction() as session:
        args = session.scalars(select(Job.args)).one()
        stored = session.execute(text("SELECT token_hash FROM gristmill.one_time_tokens")).scalar_one()
    with smtp_server(inbox) as place:
        send(f"smtp://{place}", args)
    body = inbox.mails[0].get_body(("plain",))
    assert body is not None
    [link] = [line for line in body.get_content().splitlines() if "verify-email?token=" in line]
    assert hash_token(link.partition("token=")[2]) == bytes(stored)


def test_a_token_is_mailed_to_nobody_but_its_owner(database: Database, send: Callable[..., Any]) -> None:
    ada = {"email": "ada@example.com", "password": "Lovelace1", "full_name": "Ada"}
    perform(database, tasks.create_user, ada)
    with database.transaction() as session:
        args = session.scalars(select(Job.args)).one()
    inbox = Inbox()
    with smtp_server(inbox) as place:
        outcomes = [send(f"smtp://{place}", args | {"to": "eve@example.com"})]
        for token_id in ("nonsense", str(uuid7())):
            context = {"name": "Ada", "token_id": token_id}
            outcomes.append(send(f"smtp://{place}", args | {"context": context}))
        with database.transaction() as session:
            session.execute(text("UPDATE gristmill.one_time_tokens SET used_at = clock_timestamp()"))
        outcomes.append(send(f"smtp://{place}", args))
    assert all(isinstance(outcome, Discard) for outcome in outcomes)
    assert [outcome.code for outcome in outcomes] == ["TOKEN_UNKNOWN"] * 3 + ["TOKEN_EXPIRED"]
    assert inbox.mails == []


def test_a_line_break_that_comes_in_through_a_template_ends_the_job(send: Callable[..., Any]) -> None:
    args = {"to": "ada@example.com", "template": "welcome", "context": {"name": "Ada\r\nBcc: eve@example.com"}}
    inbox = Inbox()
    with smtp_server(inbox) as place, pytest.raises(PermanentError) as failed:
        send(f"smtp://{place}", args)
    assert failed.value.error_code == "EMAIL_HEADER_INVALID"
    assert inbox.mails == []
