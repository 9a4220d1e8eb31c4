"""The WSGI app for a server to load: `gristmill.ingress.wsgi:app`."""

from __future__ import annotations

from gristmill.ingress.app import create_app
from gristmill.shared.base.logging import configure_logging
from gristmill.shared.settings import load_settings

settings = load_settings()
configure_logging(settings, "web")
app = create_app(settings)
