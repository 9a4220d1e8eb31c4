"""Templates and messages: nothing can be injected, nothing that is needed can be left out."""

from email import message_from_bytes, policy
from uuid import UUID

import pytest

from gristmill.shared.errors import PermanentError
from gristmill.tasks.mail.catalogue import mail_templates
from gristmill.tasks.mail.message import build_message, message_id
from gristmill.tasks.mail.rendering import Rendered, render

JOB = UUID("0198aaaa-0000-7000-8000-000000000001")
FROM = "The Mill <no-reply@mill.example>"
EVERY_NAME = {
    "welcome": {"name": "Ada"},
    "verify_email": {"name": "Ada", "token_id": "…", "verification_link": "https://mill.example/verify-email?token=x"},
    "notification": {"title": "News", "body": "It turns."},
    "message": {"subject": "News", "body": "It turns."},
}


def test_a_template_takes_the_names_that_its_files_use() -> None:
    taken = {name: (set(template.required), set(template.optional)) for name, template in mail_templates().items()}
    assert taken == {
        "welcome": ({"name"}, set()),
        "verify_email": ({"name", "token_id"}, set()),  # its link is computed from token_id
        "notification": ({"title", "body"}, {"name", "link", "link_text"}),
        "message": ({"subject", "body"}, {"name"}),
    }


@pytest.mark.parametrize("name", sorted(mail_templates()))
def test_every_template_becomes_a_subject_a_text_and_html(name: str) -> None:
    mail = render(name, EVERY_NAME[name], public_url="https://mill.example")
    assert mail.subject
    assert mail.text.strip()
    assert mail.html is not None
    assert mail.html.startswith("<!doctype html>")


def test_html_is_escaped_and_text_is_not() -> None:
    mail = render("welcome", {"name": "<b>Ada & Co</b>"}, public_url="https://mill.example")
    assert "<b>Ada & Co</b>" in mail.text
    assert "&lt;b&gt;Ada &amp; Co&lt;/b&gt;" in (mail.html or "")
    assert "<b>" not in (mail.html or "")


def test_a_value_is_never_read_as_a_template() -> None:
    mail = render("message", {"subject": "{{ 7 * 7 }}", "body": "{% raw %}"}, public_url="https://mill.example")
    assert mail.subject == "{{ 7 * 7 }}"
    assert "{% raw %}" in mail.text


def test_a_missing_name_is_an_error_and_not_an_empty_place() -> None:
    with pytest.raises(PermanentError, match="name"):
        render("welcome", {}, public_url="https://mill.example")


def test_a_mail_has_text_and_html_and_the_same_id_on_every_attempt() -> None:
    words = render("welcome", {"name": "Zoë"}, public_url="https://mill.example")
    first, second = (
        build_message(words, job_id=JOB, mail_from=FROM, recipient="ada@example.com", reply_to="help@mill.example")
        for _ in range(2)
    )
    mail = message_from_bytes(bytes(first), policy=policy.default)
    assert mail["Message-ID"] == second["Message-ID"] == f"<{JOB}@mill.example>" == message_id(JOB, FROM)
    assert mail["From"] == FROM
    assert mail["To"] == "ada@example.com"
    assert mail["Reply-To"] == "help@mill.example"
    assert mail["Subject"] == "Welcome, Zoë"
    assert mail["Date"]
    assert [part.get_content_type() for part in mail.walk()] == ["multipart/alternative", "text/plain", "text/html"]


@pytest.mark.parametrize("subject", ["Hello\r\nBcc: eve@example.com", "Hello\nBcc: eve@example.com", "a\rb"])
def test_a_line_break_in_a_subject_begins_no_header(subject: str) -> None:
    with pytest.raises(PermanentError) as refused:
        build_message(
            Rendered(subject=subject, text="…", html=None),
            job_id=JOB,
            mail_from=FROM,
            recipient="ada@example.com",
            reply_to=None,
        )
    assert refused.value.error_code == "EMAIL_HEADER_INVALID"
