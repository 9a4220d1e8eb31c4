"""Complete the OpenAPI 3.1 document of flask-smorest with scopes, tasks and errors of the running app."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

import orjson

from gristmill.ingress.access.access_rules import AccessRule, access_rule_of
from gristmill.ingress.document.filter_schemas import where_components
from gristmill.ingress.http.api import PREFIX, Api
from gristmill.ingress.schemas.lists import DESCRIBED_BY
from gristmill.shared.task import Task, registry

if TYPE_CHECKING:
    from flask import Flask

_DOCUMENT: Final = "gristmill-openapi"
_PARAMETER: Final = re.compile(r"<(?:[^:<>]+:)?([^<>]+)>")
_ALWAYS: Final = {"503": "The database is away or overloaded; `Retry-After` says when to try again."}
_LIMITED: Final = {
    "429": "The rate of the key is used up, too many wrong keys came from this address, or too many requests of this "
    "producer have not sent their bodies; `Retry-After` says when to try again."
}
_WITH_KEY: Final = _LIMITED | {
    "401": "The key or access token is missing or not valid.",
    "403": "The scope that `details` names is missing, or the route needs the other kind of credential.",
}
_WITH_PARAMETERS: Final = {"422": "The request is not valid; `details` names each wrong field by its path."}
_WITH_BODY: Final = {
    "400": "The body is not JSON, or cannot be stored (NUL, NaN, numbers beyond 64 bits, nesting beyond 32 levels).",
    "413": "The body is larger than this route accepts.",
    "415": "The body is not `application/json`.",
}
_KEY: Final = "key"
_PERSON: Final = "person"
_SECURITY_SCHEMES: Final = {
    _KEY: {"type": "http", "scheme": "bearer", "description": "An API key: `gm_<id>_<secret>`."},
    _PERSON: {
        "type": "http",
        "scheme": "bearer",
        "bearerFormat": "JWT",
        "description": "The access token of a signed-in user. The roles `admin` and `operator` have the scope of the "
        "same name; `member` has none.",
    },
}
_WITH_ID: Final = {"404": "It does not exist, or belongs to another producer."}


def prepare_document(app: Flask, api: Api, *, demo_tasks: bool) -> None:
    """Write the document of `app` once; it does not change while the app runs."""
    tasks = [task for task in registry if not task.internal and (demo_tasks or not task.demo)]
    document = api.spec.to_dict()
    document["info"]["description"] = (
        "A job platform: an accepted job reaches its end exactly once, and its state is visible at any time."
    )
    _complete_schemas(document["components"]["schemas"], api)
    document["components"].setdefault("securitySchemes", {}).update(_SECURITY_SCHEMES)
    for rule in app.url_map.iter_rules():
        path = document["paths"].get(_PARAMETER.sub(r"{\1}", rule.rule), {})
        for method in (rule.methods or set()) & {name.upper() for name in path}:
            _complete(path[method.lower()], access_rule_of(app, rule.endpoint) or AccessRule(), rule.arguments)
    _write_tasks(document, tasks)
    app.extensions[_DOCUMENT] = orjson.dumps(document, option=orjson.OPT_SORT_KEYS | orjson.OPT_NON_STR_KEYS)


def _complete_schemas(schemas: dict[str, Any], api: Api) -> None:
    """Add the filters, and the rules that fields alone cannot express."""
    schemas |= where_components()
    for (schema, *_), name in api.ma_plugin.converter.refs.items():
        component = schemas[name]
        component |= getattr(schema, "contract", {})
        for field, described in component.get("properties", {}).items():
            if DESCRIBED_BY in described:
                component["properties"][field] = {"$ref": f"#/components/schemas/{described[DESCRIBED_BY]}"}


def document_of(app: Flask) -> bytes:
    """Return the document of `app` as JSON."""
    document: bytes = app.extensions[_DOCUMENT]
    return document


def _complete(operation: dict[str, Any], access: AccessRule, path_arguments: set[str]) -> None:
    responses = operation.setdefault("responses", {})
    possible = dict(_ALWAYS)
    if not access.is_public:
        accepted = {_KEY: access.producers, _PERSON: access.people}
        operation["security"] = [{scheme: sorted(access.scopes)} for scheme, will_do in accepted.items() if will_do]
        possible |= _WITH_KEY
    if path_arguments:
        possible |= _WITH_ID
    if "requestBody" in operation:
        possible |= _WITH_BODY
    if "requestBody" in operation or operation.get("parameters"):
        possible |= _WITH_PARAMETERS
    written = {str(status) for status in responses}
    if "422" in written:  # flask-smorest's has no description
        responses.pop("422", None)
        responses.pop(422, None)
        written.discard("422")
    for status, description in possible.items():
        if status not in written:
            responses[status] = {
                "description": description,
                "content": {"application/json": {"schema": {"$ref": "#/components/schemas/ErrorEnvelope"}}},
            }


def _write_tasks(document: dict[str, Any], tasks: list[Task]) -> None:
    """Describe the body of `POST /jobs` task by task."""
    schemas = document["components"]["schemas"]
    if not tasks:
        return
    base = schemas["JobRequest"]
    names = {task.name: _component(task) for task in tasks}
    for task in tasks:
        schema = task.contract.schema
        properties = base["properties"] | {"task": {"const": task.name, "type": "string"}, "args": schema}
        required = ["task", "args"] if schema.get("required") else ["task"]
        schemas[names[task.name]] = base | {
            "description": task.summary,
            "properties": properties,
            "required": required,
        }
    body = document["paths"][f"{PREFIX}/jobs"]["post"]["requestBody"]["content"]["application/json"]
    body["schema"] = {
        "oneOf": [{"$ref": f"#/components/schemas/{names[task.name]}"} for task in tasks],
        "discriminator": {
            "propertyName": "task",
            "mapping": {name: f"#/components/schemas/{component}" for name, component in names.items()},
        },
    }
    body["examples"] = {
        task.name: {"summary": task.summary, "value": {"task": task.name, "args": task.contract.example}}
        for task in tasks
    }


def _component(task: Task) -> str:
    return "Job_" + re.sub(r"[^A-Za-z0-9]", "_", task.name)
