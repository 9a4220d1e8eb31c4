"""Declarations that `@task` accepts, and those that it refuses at import, with the cure."""

import re
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from marshmallow import Schema, fields

from gristmill.shared.errors import InvalidArgsError, TaskDefinitionError, UnknownTaskError
from gristmill.shared.task import Registry, Task, task


class Args(Schema):
    number = fields.Integer(required=True, strict=True)
    password = fields.String(load_default="", metadata={"secret": True})
    places = fields.List(fields.Nested(Schema.from_dict({"city": fields.String(required=True)})), load_default=list)


def handler(ctx: Any, *, number: int, password: str = "", places: Any = ()) -> int:
    """Double a number.

    Repeating is harmless.
    """
    return number * 2


def declare(handler: Callable[..., Any] = handler, *, into: Registry | None = None, **options: Any) -> Task:
    chosen: dict[str, Any] = {"name": "demo.double", "queue": "data_processing_queue", "args": Args, **options}
    made: Task = task(into=into or Registry(), **chosen)(handler)
    return made


def test_a_task_can_be_called_and_tells_about_itself() -> None:
    made = declare()
    assert made(None, number=4) == 8
    assert made.summary == "Double a number."
    assert made.secret_args == {"password"}
    assert (made.queue.name, made.effects, made.bundle, made.retry.max_attempts) == (
        "data_processing_queue",
        "database",
        1,
        3,
    )


@pytest.mark.parametrize(
    ("options", "cure"),
    [
        ({"name": "double"}, "lower case, with a dot"),
        ({"name": "Demo.Double"}, "lower case, with a dot"),
        ({"name": "demo.dövble"}, "lower case, with a dot"),
        ({"time_limit": timedelta(0)}, "must lie between 0:00:01 and 6:00:00"),
        ({"time_limit": timedelta(hours=7)}, "must lie between 0:00:01 and 6:00:00"),
        ({"effects": "none"}, 'write "database" or "outside"'),
        ({"bundle": 0}, "bundle=0 must lie between 1 and 250"),
        ({"bundle": 251}, "bundle=251 must lie between 1 and 250"),
        ({"bundle": 2, "effects": "outside"}, "leave bundle at 1"),
        ({"bundle": 100, "time_limit": timedelta(hours=1)}, "may run longer than 6:00:00"),
        ({"many": list}, "needs bundles"),
    ],
)
def test_an_option_that_could_not_work_is_refused_with_the_cure(options: dict[str, Any], cure: str) -> None:
    with pytest.raises(TaskDefinitionError) as refused:
        declare(**options)
    assert cure in refused.value.message
    assert refused.value.message.startswith(f"@task {options.get('name', 'demo.double')}: ")


def no_context() -> None: ...
def by_position(ctx: Any, number: int, password: str = "", places: Any = ()) -> None: ...
def lacks_one(ctx: Any, *, number: int, places: Any = ()) -> None: ...
def has_another(ctx: Any, *, number: int, password: str = "", places: Any = (), other: int = 0) -> None: ...


@pytest.mark.parametrize(
    ("wrong", "cure"),
    [
        (no_context, "the handler's first parameter is the context"),
        (by_position, "put `*,` after `ctx`"),
        (lacks_one, "the handler lacks ['password']"),
        (has_another, "the schema lacks ['other']"),
    ],
)
def test_a_handler_that_does_not_fit_its_schema_is_refused(wrong: Callable[..., Any], cure: str) -> None:
    with pytest.raises(TaskDefinitionError) as refused:
        declare(wrong)
    assert cure in refused.value.message


def test_a_queue_that_no_plugin_declares_is_refused_when_it_is_looked_up() -> None:
    made = declare(queue="emial_queue")
    with pytest.raises(TaskDefinitionError, match=r"no queue is called 'emial_queue'; choose one of user_queue, email"):
        _ = made.queue


def test_a_field_that_may_be_missing_needs_a_default_in_the_handler() -> None:
    def strict(ctx: Any, *, maybe: int) -> None: ...

    with pytest.raises(TaskDefinitionError, match="maybe is optional in the schema"):
        declare(strict, args=Schema.from_dict({"maybe": fields.Integer()}))


def test_an_unknown_option_is_refused() -> None:
    with pytest.raises(TypeError, match="max_retries"):
        declare(max_retries=3)


def test_a_name_can_be_taken_once_and_the_error_names_both_places() -> None:
    registry = Registry()

    def other(ctx: Any, *, number: int, password: str = "", places: Any = ()) -> None: ...

    declare(into=registry)
    with pytest.raises(TaskDefinitionError) as refused:
        declare(other, into=registry)
    first, second = handler.__code__.co_firstlineno, other.__code__.co_firstlineno
    assert f"in {__name__}, line {second}: the name is taken by the task in {__name__}, line {first}" in str(
        refused.value
    )


def by_name(handler: str = f"{__name__}:handler", *, into: Registry | None = None, **options: Any) -> Task:
    chosen: dict[str, Any] = {"name": "demo.double", "queue": "data_processing_queue", "args": Args, **options}
    return task(handler=handler, into=into or Registry(), **{"summary": "Double.", **chosen})


def many_handlers(calls: Any) -> list[Any]:
    return [len(calls)]


def test_a_handler_may_be_named_by_text_and_is_looked_up_when_it_is_used() -> None:
    made = by_name(bundle=2, many=f"{__name__}:many_handlers")
    assert "handler" not in vars(made)
    assert (made.module, made.summary) == (__name__, "Double.")
    made.resolve()
    assert (made.handler, made.many) == (handler, many_handlers)
    assert made(None, number=4) == 8


@pytest.mark.parametrize(
    ("options", "cure"),
    [
        ({"summary": None}, 'write summary="…", one line'),
        ({"summary": "a\nb"}, "must be one line"),
        ({"handler": "shop.heavy.build"}, "must read like `shop.heavy:build_report`"),
        ({"many": "build", "bundle": 2}, "must read like `shop.heavy:build_report`"),
    ],
)
def test_a_name_that_could_not_work_is_refused_at_once(options: dict[str, Any], cure: str) -> None:
    with pytest.raises(TaskDefinitionError, match=re.escape(cure)):
        by_name(**options)


@pytest.mark.parametrize(
    ("name", "problem"), [("nothing", "has no function 'nothing'"), ("lacks_one", "the handler lacks ['password']")]
)
def test_a_named_handler_that_does_not_fit_is_refused_when_it_is_resolved(name: str, problem: str) -> None:
    made = by_name(f"{__name__}:{name}")
    with pytest.raises(TaskDefinitionError, match=re.escape(problem)):
        made.resolve()


def test_a_name_that_is_taken_is_told_with_the_line_of_the_statement() -> None:
    registry = Registry()
    declare(into=registry)
    with pytest.raises(TaskDefinitionError, match=rf"in {__name__}, line \d+: the name is taken"):
        by_name(into=registry)


def test_a_secret_argument_is_sealed_under_the_key_that_a_producer_writes() -> None:
    schema = Schema.from_dict({"pin": fields.String(data_key="PIN", required=True, metadata={"secret": True})})

    def takes_pin(ctx: Any, *, pin: str) -> None: ...

    assert declare(takes_pin, args=schema).secret_args == {"PIN"}


def test_declaring_a_task_loads_no_web_framework_and_no_validator_of_json_schema() -> None:
    code = """
import sys
from marshmallow import Schema, fields
from gristmill import task
@task(name="demo.x", queue="q", args=Schema.from_dict({"x": fields.Decimal(required=True)}))
def handle(ctx, *, x): ...
print(set("flask apispec jsonschema celery kombu redis structlog environs sqlalchemy".split()) & set(sys.modules))
"""
    seen = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert seen.stdout.strip() == "set()", seen.stderr


def test_the_registry_knows_its_tasks_and_hides_demo_tasks_where_they_are_off() -> None:
    registry = Registry()
    made = declare(into=registry, demo=True)
    assert registry.get("demo.double") is made
    assert list(registry) == [made]
    for name, demo in (("demo.double", False), ("demo.unknown", True)):
        with pytest.raises(UnknownTaskError, match="GET /api/v1/tasks lists them"):
            registry.get(name, demo=demo)
    assert registry.find("demo.unknown") is None


def test_the_registry_keeps_the_names_of_tasks_with_effects_outside() -> None:
    registry = Registry()
    declare(into=registry)
    assert list(registry.outside) == []
    declare(into=registry, name="demo.post", effects="outside")
    declare(into=registry, name="demo.mail", effects="outside")
    assert list(registry.outside) == ["demo.post", "demo.mail"]
    registry.remove("demo.post")
    assert list(registry.outside) == ["demo.mail"]
    assert registry.find("demo.post") is None


def test_wrong_arguments_are_named_by_their_path() -> None:
    made = declare()
    with pytest.raises(InvalidArgsError) as refused:
        made.load_args({"number": "4", "places": [{"city": "Paris"}, {}], "other": 1})
    assert set(refused.value.details) == {"args.number", "args.places.1.city", "args.other"}
    assert made.load_args({"number": 4}) == {"number": 4, "password": "", "places": []}
