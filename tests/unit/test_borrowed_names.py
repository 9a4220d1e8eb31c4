"""Private and undocumented names of other libraries are as we use them, and docs/borrowed-names.md lists them all."""

import ast
import importlib
import inspect
import re
import smtplib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import amqp
import flask_smorest  # type: ignore[import-untyped]  # it ships no types
import pytest
from billiard.pool import Pool
from celery.worker.consumer import Consumer
from flask import Flask
from flask.json.provider import JSONProvider
from kombu.asynchronous.timer import Entry, Timer
from kombu.transport.virtual import Channel
from marshmallow import Schema, fields
from sqlalchemy import Connection, Engine

ROOT = Path(__file__).parents[2]
FOLDERS = ("shared", "tasks", "workers", "ingress", "migrations", "gristmill", "bench", "chaos")
TABLE = ROOT / "docs" / "borrowed-names.md"
ROW = re.compile(r"^\| [\w-]+ \| `(\S+)` \| `(\S+)` \| .+ \|$", re.MULTILINE)
OF_NAMED_TUPLES = {"_fields", "_make", "_replace", "_asdict", "_field_defaults"}
LANGUAGES_OWN = {"_exit"}  # os._exit is documented

SIGNATURES: dict[str, tuple[Callable[..., Any], str]] = {
    "Schema._do_load": (Schema._do_load, "self data * many= partial= unknown= postprocess="),
    "Schema._deserialize": (Schema._deserialize, "self data * error_store many= partial= unknown= index="),
    "fields.String._deserialize": (fields.String._deserialize, "self value attr data **kwargs"),
    "fields.Raw._deserialize": (fields.Raw._deserialize, "self value attr data **kwargs"),
    "fields.Float._validated": (fields.Float._validated, "self value"),
    "fields.Integer._validated": (fields.Integer._validated, "self value"),
    "fields.Boolean._deserialize": (fields.Boolean._deserialize, "self value attr data **kwargs"),
    "fields.AwareDateTime._deserialize": (fields.AwareDateTime._deserialize, "self value attr data **kwargs"),
    "fields.AwareDateTime._serialize": (fields.AwareDateTime._serialize, "self value attr obj **kwargs"),
    "fields.List._deserialize": (fields.List._deserialize, "self value attr data **kwargs"),
    "Connection._handle_dbapi_exception": (
        Connection._handle_dbapi_exception,
        "self e statement parameters cursor context is_sub_exec=",
    ),
    "Channel._basic_publish": (
        amqp.Channel._basic_publish,  # type: ignore[attr-defined]  # the stubs leave it out
        "self msg exchange= routing_key= mandatory= immediate= timeout= confirm_timeout= argsig=",
    ),
    "Channel.prepare_message": (
        Channel.prepare_message,
        "self body priority= content_type= content_encoding= headers= properties=",
    ),
    "Api._register_error_handlers": (flask_smorest.Api._register_error_handlers, "self"),
    "JSONProvider._prepare_response_obj": (JSONProvider._prepare_response_obj, "self args kwargs"),
    "Consumer.create_task_handler": (Consumer.create_task_handler, "self promise="),
    "Consumer.on_decode_error": (Consumer.on_decode_error, "self message exc"),
    "Consumer.on_unknown_task": (Consumer.on_unknown_task, "self body message exc"),
    "Consumer.ensure_connected": (Consumer.ensure_connected, "self conn"),
    "Consumer.on_connection_error_after_connected": (Consumer.on_connection_error_after_connected, "self exc"),
    "Consumer.register_with_event_loop": (Consumer.register_with_event_loop, "self hub"),
}


def app_of_an_api() -> object:
    app = Flask("borrowed")
    app.config.update(API_TITLE="t", API_VERSION="1", OPENAPI_VERSION="3.1.0")
    return vars(flask_smorest.Api(app))["_app"]


def queue_of_a_timer() -> object:
    timer = Timer()
    timer.call_after(60, print)
    (entry,) = timer._queue
    assert isinstance(entry.entry, Entry)
    return timer._queue


def host_of_a_mail_server() -> object:
    return smtplib.SMTP(timeout=1)._host  # type: ignore[attr-defined]  # that is why it stands here


ATTRIBUTES: dict[str, tuple[Callable[[], object], type]] = {
    "Schema._hooks": (lambda: Schema()._hooks, dict),
    "Connection._has_events": (lambda: Connection._has_events, bool),
    "Engine._has_events": (lambda: Engine._has_events, bool),
    "Channel.events": (lambda: "self.events[" in inspect.getsource(amqp.Channel) and amqp.Channel.__mro__, tuple),
    "Timer._queue": (queue_of_a_timer, list),
    "TimerEntry.canceled": (lambda: Entry(print).canceled, bool),
    "Api._app": (app_of_an_api, Flask),
    "SMTP._host": (host_of_a_mail_server, str),
    "Consumer.Blueprint.default_steps": (lambda: Consumer.Blueprint.default_steps, list),
    "Process.index": (lambda: "w.index = i" in inspect.getsource(Pool) and Pool, type),
}


def shape(function: Callable[..., Any]) -> str:
    """Return the parameters of a function without their types: `self value * many= **kwargs`."""
    words: list[str] = []
    for parameter in inspect.signature(function).parameters.values():
        if parameter.kind is parameter.KEYWORD_ONLY and not any(word.startswith("*") for word in words):
            words.append("*")
        words.append(
            "**" * (parameter.kind is parameter.VAR_KEYWORD)
            + parameter.name
            + ("" if parameter.default is parameter.empty else "=")
        )
    return " ".join(words)


@pytest.mark.parametrize("name", SIGNATURES)
def test_a_borrowed_method_has_the_signature_that_is_used(name: str) -> None:
    function, expected = SIGNATURES[name]
    assert shape(function) == expected


@pytest.mark.parametrize("name", ATTRIBUTES)
def test_a_borrowed_attribute_is_there_and_of_its_type(name: str) -> None:
    read, kind = ATTRIBUTES[name]
    assert isinstance(read(), kind)


def test_the_page_of_borrowed_names_lists_those_that_are_checked_here() -> None:
    rows = ROW.findall(TABLE.read_text())
    assert rows == list(dict.fromkeys(rows))
    assert {name for name, _ in rows} == SIGNATURES.keys() | ATTRIBUTES.keys()


def test_each_row_names_a_file_that_uses_the_name() -> None:
    stale = [
        (name, file)
        for name, file in ROW.findall(TABLE.read_text())
        if not re.search(rf"\b{name.rpartition('.')[2]}\b", (ROOT / file).read_text())
    ]
    assert stale == []


def test_each_private_name_of_another_library_has_a_row() -> None:
    rows = {(file, name.rpartition(".")[2]) for name, file in ROW.findall(TABLE.read_text())}
    used = {(str(file.relative_to(ROOT)), name) for file in sources() for name in foreign_names(file)}
    assert used, "the search finds nothing"
    assert used - rows == set()
    assert {(file, name) for file, name in rows if name.startswith("_")} - used == set()


def sources() -> set[Path]:
    return {file.resolve() for folder in FOLDERS for file in (ROOT / folder).rglob("*.py")}


def foreign_names(file: Path) -> Iterator[str]:
    """Yield the private names of other libraries that a file reads, calls or overrides."""
    tree = ast.parse(file.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and not is_self(node.value):
            yield node.attr
    if file.relative_to(ROOT).parts[0] in ("bench", "chaos", "migrations"):
        return  # scripts, some of which need libraries that are not installed here
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.bases:
            yield from names_of_foreign_bases(file, node)


def names_of_foreign_bases(file: Path, node: ast.ClassDef) -> Iterator[str]:
    own = {inner.name for inner in ast.walk(node) if isinstance(inner, ast.FunctionDef) and is_private(inner.name)}
    own |= {
        inner.attr
        for inner in ast.walk(node)
        if isinstance(inner, ast.Attribute) and is_private(inner.attr) and is_self(inner.value)
    }
    if not own:
        return
    parts = file.relative_to(ROOT).with_suffix("").parts
    module = importlib.import_module(".".join(parts if parts[0] == "gristmill" else ("gristmill", *parts)))
    for base in getattr(module, node.name).__mro__:
        if not base.__module__.startswith(("gristmill.", "builtins", "abc", "typing")):
            source = inspect.getsource(base)
            yield from (name for name in own if re.search(rf"(self\.|def ){name}\b", source))


def is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__") and name not in OF_NAMED_TUPLES | LANGUAGES_OWN


def is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("self", "cls")
