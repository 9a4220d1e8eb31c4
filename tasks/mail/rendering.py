"""Render a mail template as subject, text and HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from jinja2 import UndefinedError

from gristmill.shared.errors import PermanentError
from gristmill.tasks.mail.catalogue import PUBLIC_URL, mail_templates


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The content of a mail. `html` is None for plain text only."""

    subject: str
    text: str
    html: str | None


def render(name: str, context: Mapping[str, Any], *, public_url: str) -> Rendered:
    """Render the mail of a template. Values are escaped in HTML, and a missing name is an error.

    Raises:
        PermanentError: a name that the template uses is not in `context`.
    """
    template = mail_templates()[name]
    given = dict.fromkeys(template.optional) | dict(context) | {PUBLIC_URL: public_url}
    try:
        parts = {part: template.environment.get_template(f"{name}.{part}").render(given) for part in template.parts}
    except UndefinedError as error:
        msg = f"The template {name} cannot be rendered: {error}; post the job again with it in context"
        raise PermanentError(msg, code="EMAIL_CONTEXT_INCOMPLETE") from error
    return Rendered(subject=parts["subject"].strip(), text=parts["txt"], html=parts.get("html"))
