"""Report unexpected errors to Sentry, when a DSN is set: redacted, and without personal data."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

from gristmill.shared.base.redaction import redact

if TYPE_CHECKING:
    from sentry_sdk.integrations import Integration
    from sentry_sdk.types import Event

    from gristmill.shared.settings import Settings

Framework = Literal["flask", "celery", "none"]

SHUTDOWN_SECONDS: Final = 2  # for which a process that ends waits until its last reports are sent


def configure_reporting(settings: Settings, process: str, *, framework: Framework = "none") -> None:
    """Report unexpected errors of this process. Without GRISTMILL_SENTRY_DSN nothing is reported.

    Args:
        settings: the DSN.
        process: the name of this process; a tag of each report.
        framework: the one whose errors are caught. The other is not imported: the ingress holds no Celery.
    """
    if settings.sentry_dsn is None or not settings.sentry_dsn.reveal():
        return
    import sentry_sdk

    sentry_sdk.init(
        dsn=settings.sentry_dsn.reveal(),
        integrations=_integrations(framework),
        auto_enabling_integrations=False,  # these would import every framework that is installed
        send_default_pii=False,
        include_local_variables=False,  # a frame of ours may hold a password or a key
        max_request_body_size="never",
        before_send=_scrub,
        shutdown_timeout=SHUTDOWN_SECONDS,
    )
    sentry_sdk.set_tag("process", process)


def _integrations(framework: Framework) -> list[Integration]:
    if framework == "flask":
        from sentry_sdk.integrations.flask import FlaskIntegration

        return [FlaskIntegration()]
    if framework == "celery":
        from sentry_sdk.integrations.celery import CeleryIntegration

        return [CeleryIntegration(propagate_traces=False)]
    return []


def _scrub(event: Event, _hint: dict[str, Any]) -> Event:
    scrubbed: Any = redact(event)
    return scrubbed  # type: ignore[no-any-return]  # the same shape, with texts replaced
