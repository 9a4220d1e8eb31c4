"""Routes of the OpenAPI document and of a page to read and try it; nothing is loaded from other hosts."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from flask import Blueprint, Response, current_app

from gristmill.ingress.access.access_rules import public
from gristmill.ingress.document.openapi import document_of
from gristmill.ingress.http.security_headers import PAGE

blueprint = Blueprint("docs", __name__)

_FOLDER: Final = Path(__file__).parent.parent / "static"
_TYPES: Final = {".html": "text/html", ".js": "text/javascript", ".css": "text/css"}
_FILES: Final = {path.name: path.read_bytes() for path in sorted(_FOLDER.iterdir()) if path.suffix in _TYPES}


@blueprint.get("/openapi.json")
@public
def openapi() -> Response:
    """Return the OpenAPI document, including the tasks of this server."""
    return Response(document_of(current_app), mimetype="application/json")


@blueprint.get("/docs")
@public
def docs() -> Response:
    """Return the page."""
    return _serve("docs.html")


@blueprint.get("/docs/page.js")
@public
def docs_script() -> Response:
    """Return the script of the page."""
    return _serve("docs.js")


@blueprint.get("/docs/page.css")
@public
def docs_style() -> Response:
    """Return the style sheet of the page."""
    return _serve("docs.css")


def _serve(name: str) -> Response:
    made = Response(_FILES[name], mimetype=_TYPES[Path(name).suffix])
    made.headers["Content-Security-Policy"] = PAGE
    return made
