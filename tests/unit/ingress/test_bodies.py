"""Bodies of requests: whose place is waited for, and for how long."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace
from typing import cast
from uuid import uuid4

import pytest
from flask import Request

from gristmill.ingress.errors import TooManyBodiesError
from gristmill.ingress.http.bodies import Bodies

PATIENCE = 30.0  # seconds until a test gives up


class Slow:
    """A request whose body comes when the test says so."""

    def __init__(self) -> None:
        self.is_read = threading.Event()
        self.comes = threading.Event()

    def get_data(self) -> bytes:
        self.is_read.set()
        assert self.comes.wait(PATIENCE)
        return b"body"


class Clock:
    """Stands still until the test moves it."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.now = 0.0
        # The thread that looks for late bodies has nothing to do here.
        monkeypatch.setattr(
            "gristmill.ingress.http.bodies.time",
            SimpleNamespace(monotonic=lambda: self.now, sleep=lambda _: threading.Event().wait()),
        )


def test_the_body_of_another_producer_that_is_late_shortens_nobodys_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    bodies = Bodies(port=1, most=1, seconds=60)
    late, first, second = Slow(), Slow(), Slow()
    honest = uuid4()
    with ThreadPoolExecutor() as pool:
        try:
            others = pool.submit(bodies.read, cast("Request", late), uuid4())
            assert late.is_read.wait(PATIENCE)
            clock.now = 30.0
            began = pool.submit(bodies.read, cast("Request", first), honest)
            assert first.is_read.wait(PATIENCE)
            waits = pool.submit(bodies.read, cast("Request", second), honest)
            first.comes.set()
            second.comes.set()
            assert (began.result(PATIENCE), waits.result(PATIENCE)) == (b"body", b"body")
            assert not others.done()
        finally:
            for request in (late, first, second):
                request.comes.set()


def test_a_producer_whose_own_body_is_late_is_refused_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch)
    bodies = Bodies(port=1, most=1, seconds=60)
    late, next_one = Slow(), Slow()
    producer = uuid4()
    with ThreadPoolExecutor() as pool:
        try:
            pool.submit(bodies.read, cast("Request", late), producer)
            assert late.is_read.wait(PATIENCE)
            clock.now = 30.0
            with pytest.raises(TooManyBodiesError, match="1 requests of this producer"):
                bodies.read(cast("Request", next_one), producer)
            assert not next_one.is_read.is_set()
        finally:
            late.comes.set()
