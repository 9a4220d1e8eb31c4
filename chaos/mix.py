"""The mix of jobs that clients post: every kind, each with the one end that it may have."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Final

TRIES: Final = 20  # attempts of a job that has to succeed: the nemesis takes many, and none of them is its fault


@dataclass(frozen=True, slots=True)
class Wanted:
    """One job to post.

    Args:
        kind: its name in the mix.
        body: of the request.
        end: the state it has to end in.
    """

    kind: str
    body: dict[str, Any]
    end: str


def _demo(task: str, **args: Any) -> dict[str, Any]:
    return {"task": f"demo.{task}", "args": args}


def _mail(_: random.Random, key: str) -> dict[str, Any]:
    words = {"to": f"{key}@example.com", "subject": f"Mail {key}", "text": "Hello out there."}
    return {"task": "email.send", "args": words}


def _user(_: random.Random, key: str) -> dict[str, Any]:
    person = {"email": f"{key}@example.org", "password": "Correct-Horse-7", "full_name": "Ada Chaos"}
    return {"task": "user.create", "args": person}


FOR_EVER: Final = "fail for ever"  # the one kind that has to end dead, after its task's own few attempts

# By kind: how many of a hundred jobs are of it, and the request's body.
_KINDS: Final[dict[str, tuple[int, Callable[[random.Random, str], dict[str, Any]]]]] = {
    "effect": (38, lambda _, key: _demo("effect", key=key)),
    "effect, delayed": (
        10,
        lambda chance, key: _demo("effect", key=key) | {"delay": round(chance.uniform(0.2, 10), 3)},
    ),
    "echo": (12, lambda _, key: _demo("echo", message=key)),
    "fail once": (6, lambda *_: _demo("fail", times=1)),
    "fail twice": (4, lambda *_: _demo("fail", times=2)),
    FOR_EVER: (4, lambda *_: _demo("fail", times=-1)),
    "crash once": (2, lambda *_: _demo("crash", times=1)),
    "sleep": (8, lambda chance, _: _demo("sleep", seconds=round(chance.uniform(0.05, 0.6), 3))),
    "mail": (11, _mail),
    "user": (5, _user),
}


def draw(chance: random.Random, key: str) -> Wanted:
    """Draw the next job; `key` is its idempotency key, and the key of its effect."""
    kind = chance.choices(list(_KINDS), [weight for weight, _ in _KINDS.values()])[0]
    body = _KINDS[kind][1](chance, key) | {"tags": ["chaos", key]}
    if kind == FOR_EVER:
        return Wanted(kind, body, "dead")
    return Wanted(kind, body | {"max_attempts": TRIES}, "succeeded")
