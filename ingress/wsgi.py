"""The WSGI app for a server to load: `ingress.wsgi:app`."""

from __future__ import annotations

from ingress.app import create_app
from shared.logging import configure_logging
from shared.settings import load_settings

settings = load_settings()
configure_logging(settings, "web")
app = create_app(settings)
