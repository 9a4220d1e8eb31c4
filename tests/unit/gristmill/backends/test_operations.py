"""Each operation of the command is one of the API, and both back ends have it."""

import subprocess
import sys
from typing import Any

import pytest

from gristmill.backends.in_database import _function_of, _room_of
from gristmill.backends.operations import OPERATIONS
from gristmill.ingress.app import create_app
from tests.contexts import make_settings


@pytest.fixture(scope="module")
def described() -> dict[str, tuple[str, str]]:
    """The operations of the OpenAPI document: the method and the path of each."""
    app = create_app(make_settings())
    document: dict[str, Any] = app.test_client().get("/openapi.json").get_json()
    return {
        one["operationId"]: (method.upper(), path)
        for path, item in document["paths"].items()
        for method, one in item.items()
        if isinstance(one, dict) and "operationId" in one
    }


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_has_the_method_and_path_of_the_document(name: str, described: dict[str, tuple[str, str]]) -> None:
    operation = OPERATIONS[name]
    assert described[name] == (operation.method, f"/api/v1{operation.path}")


@pytest.mark.parametrize("name", OPERATIONS)
def test_an_operation_can_be_performed_in_the_database(name: str) -> None:
    assert callable(_function_of(_room_of(name), name))


def test_names_in_a_path_are_quoted() -> None:
    assert OPERATIONS["show_queue"].path_for({"name": "a/b?c"}) == "/queues/a%2Fb%3Fc"


def test_work_in_the_database_loads_no_flask_and_no_http_client() -> None:
    rooms = ("dead_letters", "jobs", "producers", "queues", "schedules", "tasks")
    code = f"""
import sys
from importlib import import_module
for room in {rooms}: import_module(f"gristmill.backends.database_operations.{{room}}")
print([name for name in ("flask", "werkzeug", "celery", "kombu", "httpx") if name in sys.modules])
"""
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert ran.stdout.strip() == "[]"
