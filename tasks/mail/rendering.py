"""Mail templates: the variables that each needs, rendered as subject, text and HTML."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final

from jinja2 import FileSystemLoader, StrictUndefined, UndefinedError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from gristmill.shared.errors import PermanentError

FOLDER: Final = Path(__file__).parent / "templates"


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """A mail template: `<name>.subject`, `<name>.txt` and `<name>.html` in tasks/mail/templates/.

    Attributes:
        required: names that the context must hold.
        optional: names that the context may hold.
        completed: names that are added when the mail is rendered: they must not be stored in the arguments of a job.
    """

    name: str
    required: frozenset[str]
    optional: frozenset[str] = frozenset()
    completed: frozenset[str] = frozenset()

    def find_problems(self, context: Mapping[str, Any]) -> dict[str, list[str]]:
        """Return what is wrong with a context, by the name of the variable."""
        takes = f"{self.name} takes {', '.join(sorted(self.required | self.optional))}"
        missing = {name: [f"is missing: {takes}"] for name in self.required - context.keys()}
        unknown = {name: [f"is not known: {takes}"] for name in context.keys() - self.required - self.optional}
        return missing | unknown


TEMPLATES: Final[dict[str, Template]] = {
    template.name: template
    for template in (
        Template(name="welcome", required=frozenset({"name"})),
        Template(
            name="verify_email",
            required=frozenset({"name", "token_id"}),
            completed=frozenset({"verification_link"}),
        ),
        Template(
            name="notification",
            required=frozenset({"title", "body"}),
            optional=frozenset({"name", "link", "link_text"}),
        ),
        Template(name="message", required=frozenset({"subject", "body"}), optional=frozenset({"name"})),
    )
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """The content of a mail. `html` is None for plain text only."""

    subject: str
    text: str
    html: str | None


def render(template: str, context: Mapping[str, Any], *, public_url: str) -> Rendered:
    """Render the mail of `template`. Values are escaped in HTML, and a missing name is an error.

    Raises:
        PermanentError: a name that the template uses is not in `context`.
    """
    environment = _environment()
    given = dict.fromkeys(TEMPLATES[template].optional) | dict(context) | {"public_url": public_url}
    try:
        subject, text, html = (
            environment.get_template(f"{template}.{part}").render(given) for part in ("subject", "txt", "html")
        )
    except UndefinedError as error:
        msg = f"The template {template} cannot be rendered: {error}; post the job again with it in context"
        raise PermanentError(msg, code="EMAIL_CONTEXT_INCOMPLETE") from error
    return Rendered(subject=subject.strip(), text=text, html=html)


@cache
def _environment() -> ImmutableSandboxedEnvironment:
    return ImmutableSandboxedEnvironment(
        loader=FileSystemLoader(FOLDER),
        autoescape=lambda name: name is not None and name.endswith(".html"),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
