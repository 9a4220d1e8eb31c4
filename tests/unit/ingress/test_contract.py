"""What the app says about itself."""

import json
import re
import subprocess
import sys
from contextlib import nullcontext, suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from flask.testing import FlaskClient
from marshmallow import Schema, fields
from marshmallow.validate import Range

from gristmill.ingress.app import create_app
from gristmill.ingress.document.task_schemas import describe_task
from gristmill.shared.errors import InvalidError
from gristmill.shared.filters.parse import read_filter
from gristmill.shared.operating.job_filter import JOBS
from gristmill.shared.plugins.load import load_plugins
from gristmill.shared.settings import Settings
from gristmill.shared.task import Task, registry
from gristmill.shared.task import task as declare

load_plugins()
STATIC = Path(__file__).parents[3] / "ingress" / "static"


@pytest.fixture
def client(settings: Settings) -> FlaskClient:
    return create_app(settings).test_client()


@pytest.fixture
def contract(client: FlaskClient) -> dict[str, Any]:
    document: dict[str, Any] = client.get("/openapi.json").get_json()
    return document


def operations(contract: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (path, method, operation)
        for path, methods in contract["paths"].items()
        for method, operation in methods.items()
        if method != "parameters"
    ]


def test_the_contract_is_openapi_3_1_and_refers_to_nothing_that_is_missing(contract: dict[str, Any]) -> None:
    assert contract["openapi"].startswith("3.1")
    for reference in set(re.findall(r'"\$ref": "([^"]+)"', json.dumps(contract))):
        target: Any = contract
        for name in reference.removeprefix("#/").split("/"):
            target = target[name]
        assert target


def test_the_contract_and_the_routes_are_the_same(settings: Settings) -> None:
    app = create_app(settings)
    pages = {"docs", "openapi"}  # what shows the contract is not part of it
    routes = {
        (re.sub(r"<(?:[^:<>]+:)?([^<>]+)>", r"{\1}", rule.rule), method)
        for rule in app.url_map.iter_rules()
        for method in rule.methods or ()
        if rule.endpoint.split(".")[0] not in pages and method not in ("HEAD", "OPTIONS")
    }
    document = app.test_client().get("/openapi.json").get_json()
    assert routes == {(path, method.upper()) for path, method, _ in operations(document)}


def test_every_operation_has_a_name_of_its_own(contract: dict[str, Any]) -> None:
    names = [operation["operationId"] for path, _, operation in operations(contract) if path.startswith("/api/")]
    assert len(set(names)) == len(names)


def test_every_operation_says_who_may_use_it_and_how_it_fails(contract: dict[str, Any]) -> None:
    for path, method, operation in operations(contract):
        assert operation["summary"], (path, method)
        envelope = {"$ref": "#/components/schemas/ErrorEnvelope"}
        failures = {status for status, answer in operation["responses"].items() if envelope in schemas_of(answer)}
        if path in ("/api/v1/auth/register", "/api/v1/auth/login", "/api/v1/auth/refresh"):
            assert "security" not in operation, (path, method)
            assert {"422", "503"} | ({"401"} if "register" not in path else {"409", "429"}) <= failures, (path, method)
        elif path in ("/api/v1/auth/logout", "/api/v1/users/me"):
            assert operation["security"] == [{"person": []}], (path, method)
            assert {"401", "403", "503"} <= failures, (path, method)
        elif path.startswith("/api/") or path == "/metrics":
            assert operation["security"][0]["key"], (path, method)
            people = [each["person"] for each in operation["security"][1:]]
            assert people in ([], [operation["security"][0]["key"]]), (path, method)
            assert {"401", "403", "503"} <= failures, (path, method)
        else:
            assert "security" not in operation, (path, method)


def schemas_of(answer: dict[str, Any]) -> list[Any]:
    return [content.get("schema") for content in answer.get("content", {}).values()]


def test_posting_a_job_is_described_task_by_task(contract: dict[str, Any]) -> None:
    body = contract["paths"]["/api/v1/jobs"]["post"]["requestBody"]["content"]["application/json"]
    posted = [task for task in registry if not task.internal]
    assert set(body["schema"]["discriminator"]["mapping"]) == {task.name for task in posted}
    for task in posted:
        component = contract["components"]["schemas"]["Job_" + task.name.replace(".", "_")]
        jsonschema.Draft202012Validator.check_schema(component)
        jsonschema.validate(body["examples"][task.name]["value"], component)


def test_limits_of_money_are_told_as_text(settings: Settings) -> None:
    """One such field kept the ingress from starting."""
    amount = fields.Decimal(required=True, validate=Range(Decimal("0.01"), Decimal(1000)))

    def pay(ctx: Any, *, amount: Decimal) -> None: ...

    declare(name="demo.pay", queue="data_processing_queue", args=Schema.from_dict({"amount": amount}))(pay)
    try:
        document = create_app(settings).test_client().get("/openapi.json").get_json()
    finally:
        registry.remove("demo.pay")
    args = document["components"]["schemas"]["Job_demo_pay"]["properties"]["args"]
    assert args["properties"]["amount"] == {
        "type": "string",
        "format": "decimal",
        "pattern": r"^\d+(\.\d+)?$",
        "x-minimum": "0.01",
        "x-maximum": "1000",
        "description": "At least 0.01 and at most 1000.",
    }


def test_an_unknown_field_is_outside_the_contract_too(contract: dict[str, Any]) -> None:
    component = contract["components"]["schemas"]["Job_demo_echo"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"task": "demo.echo", "args": {"message": "x"}, "colour": "red"}, component)


@pytest.mark.parametrize("task", list(registry), ids=lambda task: task.name)
def test_a_task_is_described_by_a_schema_that_its_example_fits(task: Task) -> None:
    described = describe_task(task)
    jsonschema.Draft202012Validator.check_schema(described["args"])
    jsonschema.validate(described["example"], described["args"])
    for name in task.secret_args:
        assert described["args"]["properties"][name]["writeOnly"] is True


@pytest.mark.parametrize(
    ("where", "good"),
    [
        ({"field": "state", "in": ["queued"]}, True),
        ({"and": [{"field": "task", "like": "a%"}, {"not": {"field": "finished_at", "is_null": False}}]}, True),
        ({"field": "state", "gt": "queued"}, False),
        ({"field": "state", "is_null": True}, False),
        ({"field": "attempt"}, False),
        ({"field": "attempt", "gt": 1, "lt": 3}, False),
        ({"field": "colour", "eq": "red"}, False),
        ({"and": []}, False),
        ({"not": {"nor": []}}, False),
    ],
)
@pytest.mark.parametrize("body", ["JobSearch", "JobCount", "CancelManyRequest"])
def test_a_filter_is_described_as_it_is_read(contract: dict[str, Any], body: str, where: Any, good: bool) -> None:
    schema = {"$ref": f"#/components/schemas/{body}", "components": contract["components"]}
    assert jsonschema.Draft202012Validator(schema).is_valid({"where": where}) is good
    with suppress(InvalidError) if not good else nullcontext():
        read_filter(where, JOBS)
        assert good


def test_demo_tasks_and_their_effects_are_only_there_when_they_are_on(settings: Settings) -> None:
    import dataclasses

    client = create_app(dataclasses.replace(settings, demo_tasks=False)).test_client()
    document = client.get("/openapi.json").get_data(as_text=True)
    assert "demo" not in document
    assert client.get("/api/v1/demo/effects?key=x").status_code == 404


def test_the_page_loads_nothing_from_elsewhere(client: FlaskClient) -> None:
    for path in ("/docs", "/docs/page.js", "/docs/page.css"):
        answer = client.get(path)
        assert answer.status_code == 200
        assert "default-src 'none'" in answer.headers["Content-Security-Policy"]
        assert "unsafe" not in answer.headers["Content-Security-Policy"]
    for file in STATIC.iterdir():
        assert "//" not in re.sub(r"(?m)^\s*//.*$", "", file.read_text()), file.name
    assert "<script>" not in (STATIC / "docs.html").read_text()


def test_an_answer_is_not_kept_sniffed_or_framed(client: FlaskClient) -> None:
    headers = client.get("/healthz").headers
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    assert "frame-ancestors 'none'" in headers["Content-Security-Policy"]


def test_the_ingress_knows_no_broker() -> None:
    look = "import sys, gristmill.ingress.app; print({'celery', 'kombu', 'amqp', 'flower'} & set(sys.modules))"
    answer = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, timeout=120, check=True)
    assert answer.stdout.strip() == "set()"
