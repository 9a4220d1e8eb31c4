"""Adapt flask-smorest to this project's JSON, errors and documentation."""

from __future__ import annotations

from typing import Any, Final

from flask import Flask, Request
from flask_smorest import Api as SmorestApi  # type: ignore[import-untyped]  # ships no types
from flask_smorest import Blueprint as SmorestBlueprint
from marshmallow import RAISE, Schema
from webargs.flaskparser import FlaskParser

from gristmill.ingress.access.authenticate import current_principal_id
from gristmill.ingress.errors import register_errors
from gristmill.ingress.http.json import read_json
from gristmill.ingress.schemas.errors import ErrorEnvelope
from gristmill.ingress.services import services

PREFIX: Final = "/api/v1"


class Parser(FlaskParser):
    """Reads JSON strictly, and refuses unknown query parameters."""

    DEFAULT_UNKNOWN_BY_LOCATION = FlaskParser.DEFAULT_UNKNOWN_BY_LOCATION | {"json": RAISE, "query": RAISE}

    def load_json(self, req: Request, schema: Schema) -> Any:  # noqa: ARG002  webargs passes it
        return read_json(req, lambda: _read(req))


def _read(incoming: Request) -> bytes:
    return services().bodies.read(incoming, current_principal_id())


class Blueprint(SmorestBlueprint):
    """A group of routes."""

    ARGUMENTS_PARSER = Parser()


class OptionalBodyParser(Parser):
    """Treats a missing body as an empty object."""

    def load_json(self, req: Request, schema: Schema) -> Any:
        empty = req.content_length in (None, 0) and not req.content_type and not _read(req)
        return {} if empty else super().load_json(req, schema)


class OptionalBodyBlueprint(Blueprint):
    """A group of routes, some of which have an optional body."""

    ARGUMENTS_PARSER = OptionalBodyParser()


class Api(SmorestApi):
    """The API of one app."""

    ERROR_SCHEMA = ErrorEnvelope

    def _register_error_handlers(self) -> None:
        # flask-smorest's own handler drops Allow, Retry-After and WWW-Authenticate.
        register_errors(self._app)


def make_api(app: Flask, version: str) -> Api:
    """Return the API of `app`; its documentation is served by `gristmill.ingress.routes.docs`."""
    app.config.update(API_TITLE="Gristmill", API_VERSION=version, OPENAPI_VERSION="3.1.0")
    return Api(app)
