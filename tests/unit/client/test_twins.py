"""Both clients have the same methods with the same arguments, told once, and load nothing else of the platform."""

import asyncio
import inspect
import subprocess
import sys
from typing import Any

import pytest

from gristmill import client
from gristmill.client import AsyncClient, AsyncSpool, Client, Spool, SpoolOptions
from gristmill.client.blocking import run

TWINS = [(Client, AsyncClient), (Spool, AsyncSpool)]
OWN = {"start", "required_spool", "close_file", "keep", "look", "learn_secret_args"}  # steps of the asynchronous side
FOREIGN = ["flask", "celery", "kombu", "sqlalchemy", "structlog", "marshmallow", "redis", "environs", "psycopg2"]


def methods(kind: type) -> dict[str, Any]:
    found = inspect.getmembers(kind, inspect.isfunction)
    return {name: method for name, method in found if not name.startswith("_") and name not in OWN}


@pytest.mark.parametrize(("blocking", "asynchronous"), TWINS)
def test_both_have_the_same_methods_with_the_same_arguments_and_docs(blocking: type, asynchronous: type) -> None:
    assert methods(blocking).keys() == methods(asynchronous).keys()
    for name, method in methods(asynchronous).items():
        twin = methods(blocking)[name]
        assert inspect.getdoc(twin) == inspect.getdoc(method)
        assert inspect.signature(twin).parameters == inspect.signature(method).parameters
        assert not inspect.iscoroutinefunction(twin)


def test_a_blocking_method_tells_that_it_returns_an_iterator_and_an_asynchronous_one_a_generator() -> None:
    assert inspect.signature(Client.events).return_annotation == "Iterator[Event]"
    assert inspect.signature(AsyncClient.events).return_annotation == "AsyncGenerator[Event, None]"


@pytest.mark.parametrize("name", client.__all__)
def test_each_public_name_is_documented_with_its_arguments_and_errors(name: str) -> None:
    public = getattr(client, name)
    if not callable(public):
        return
    assert inspect.getdoc(public)
    for method_name, method in methods(public).items() if inspect.isclass(public) else [(name, public)]:
        assert inspect.getdoc(method), method_name
        if name in ("Client", "Spool", "verify_callback") and method_name != "close":
            assert "Raises:" in str(inspect.getdoc(method)), method_name


def test_the_client_loads_httpx_and_the_standard_library_and_nothing_else_of_the_platform() -> None:
    code = (
        "import sys; from gristmill import AsyncClient, Client; Client('http://127.0.0.1:1', 'key').close(); "
        "print(*{name.split('.')[0] for name in sys.modules}, *(n for n in sys.modules if n.startswith('gristmill.')))"
    )
    answer = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    loaded = set(answer.stdout.split())
    assert "httpx" in loaded
    assert not loaded & set(FOREIGN)
    assert {
        name for name in loaded if name.startswith("gristmill.") and not name.startswith("gristmill.client")
    } == set()


def test_the_blocking_client_cannot_be_made_to_wait_for_asyncio() -> None:
    async def wait() -> None:
        await asyncio.sleep(0)

    with pytest.raises(RuntimeError, match="use AsyncClient"):
        run(wait())


def test_a_callback_that_only_the_asynchronous_client_can_call_is_refused_by_the_other(tmp_path: Any) -> None:
    async def on_flushed(_: object) -> None:
        """Do nothing."""

    with pytest.raises(ValueError, match="only AsyncClient can call"):
        Client("http://127.0.0.1:1", "key", spool=SpoolOptions(tmp_path / "spool", on_flushed=on_flushed))
    assert not (tmp_path / "spool").exists()
