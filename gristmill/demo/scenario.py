"""Jobs of the demo, and the end that each must have."""

from collections.abc import Callable
from dataclasses import dataclass, field
from secrets import token_hex
from typing import Any, Final
from uuid import uuid4

STREAM: Final = "demo.machines"
STREAM_SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "properties": {"machine": {"type": "string"}, "temperature": {"type": "number"}},
    "required": ["machine", "temperature"],
}

Args = Callable[[dict[str, Any]], dict[str, Any]]


@dataclass(frozen=True, kw_only=True)
class Case:
    """One job.

    Attributes:
        name: Its name on the screen.
        args: Its arguments, made from the results of the cases that have ended, by their names.
        final_state: The state it must end in.
        error: The code that its last failed attempt must have.
        attempts: The attempts it must take; None where a further one does no harm.
        options: Further fields of the POST.
        after: The case that must have ended before this one is posted.
    """

    name: str
    task: str
    args: Args
    final_state: str = "succeeded"
    error: str | None = None
    attempts: int | None = 1
    options: dict[str, Any] = field(default_factory=dict)
    after: str | None = None


@dataclass(frozen=True)
class Scenario:
    """All cases of one run, with names of their own, so that runs do not collide.

    Attributes:
        person: The address of the user that is made.
        reader: The address that a mail is sent to.
        effect: The key that effects are counted by.
    """

    cases: list[Case]
    person: str
    reader: str
    effect: str


def make_scenario() -> Scenario:
    """Return a new scenario."""
    run = uuid4().hex[:8]
    person, reader, effect = f"ada-{run}@example.com", f"reader-{run}@example.com", f"demo-{run}"
    account = {"email": person, "password": f"Mill-7-{token_hex(8)}", "full_name": "Ada Lovelace"}
    cases = [
        _case("says hello", "demo.echo", {"message": "hello"}),
        _case("is urgent", "demo.echo", {"message": "first, please"}, options={"priority": "high"}),
        _case("waits two seconds first", "demo.echo", {"message": "later"}, options={"delay": 2}),
        _case("writes one row, once", "demo.effect", {"key": effect}),
        _case("takes a second", "demo.sleep", {"seconds": 1.0}),
        _case("fails twice, then works", "demo.fail", {"times": 2}, attempts=3, error="TASK_TRANSIENT_001"),
        _case(
            "can never work",
            "demo.fail",
            {"times": -1, "kind": "permanent"},
            final_state="dead",
            error="TASK_PERMANENT_001",
        ),
        _case("kills its worker once", "demo.crash", {"times": 1}, attempts=2, error="WORKER_LOST_001"),
        _case("makes a user", "user.create", account),
        _case(
            "makes the same user again",
            "user.create",
            account,
            final_state="dead",
            error="EMAIL_EXISTS",
            after="makes a user",
        ),
        _case("sends a mail", "email.send", {"to": reader, "subject": "Grist", "text": "The mill turns."}),
        _case("takes a record in", "processing.record", _record(temperature=71.5)),
        _case("takes a wrong record in", "processing.record", _record(temperature="hot")),
        Case(
            name="tells the new user",
            task="notification.send",
            args=lambda results: {
                "channels": ["in_app"],
                "title": "Welcome",
                "body": "Your account is there.",
                "user_id": results["makes a user"]["user_id"],
            },
            after="makes a user",
        ),
    ]
    return Scenario(cases, person, reader, effect)


def _case(name: str, task: str, args: dict[str, Any], **more: Any) -> Case:
    return Case(name=name, task=task, args=lambda _: args, **more)


def _record(**data: Any) -> dict[str, Any]:
    return {"stream": STREAM, "data": {"machine": "mill-1", **data}}
